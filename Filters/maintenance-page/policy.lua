-- Answers 503 with Retry-After and a page to everyone but those who do the maintenance.
--
-- Parameters:
--   enabled        false lets everyone through, so that the policy can stay in the chain; default true
--   retry_after    seconds until clients should try again; default 300
--   title, text    of the page; plain text
--   allow          addresses and CIDR blocks that go through
--   paths          paths that go through with all that is below them, such as /healthz
--   bypass_header  the header that brings the secret; default x-maintenance-bypass
-- Data files, both optional:
--   secret         who sends it in the bypass header goes through; 16 characters or more
--   page           HTML to use in place of the built-in page

schema = {
  enabled = { type = "boolean", default = true },
  retry_after = { type = "integer", default = 300, min = 0, max = 31536000 },
  title = { type = "string", default = "Down for maintenance" },
  text = { type = "string", default = "We will be back shortly." },
  allow = { type = "list", optional = true },
  paths = { type = "list", optional = true },
  bypass_header = { type = "string", default = "x-maintenance-bypass" },
}

local PAGE = [[
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body { font: 1.2em sans-serif; max-width: 30em; margin: 20vh auto; padding: 0 1em }</style>
<h1>{title}</h1>
<p>{text}</p>
</html>
]]
local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local secret = data.secret and data.secret:match("^%s*(.-)%s*$")
if secret and #secret < 16 then error("data.secret: 16 characters or more, so that nobody guesses it") end

local function escape(text)
  return (text:gsub("[&<>\"']", ENTITIES))
end

local function page(config)
  if data.page then return data.page end
  return (PAGE:gsub("{(%a+)}", { title = escape(config.title), text = escape(config.text) }))
end

-- What is made of the parameters once; routes may have their own.
local prepared = {}

local function prepare(config)
  local made = { page = page(config), allow = config.allow and ip.set(config.allow), paths = config.paths or {} }
  prepared[config] = made
  return made
end

-- Whether the path is one of `paths` or below it. A path that another parser might read differently is not.
local function is_open(target, paths)
  local path = target:match("^[^?#]*")
  if path:find("/.", 1, true) or path:find("[%%\\;]") then return false end
  for _, open in ipairs(paths) do
    if path == open then return true end
    local below = open:sub(-1) == "/" and open or open .. "/"
    if path:sub(1, #below) == below then return true end
  end
  return false
end

local function has_secret(headers, name)
  -- Two fields would be joined, and so differ.
  local value = headers:get(name)
  return value ~= nil and crypto.equals(value, secret)
end

function on_request(handle)
  local config, headers = handle:config(), handle:headers()
  local made = prepared[config] or prepare(config)
  local knows = secret and has_secret(headers, config.bypass_header)
  -- Upstream has no business with the secret.
  headers:remove(config.bypass_header)
  if not config.enabled or knows or is_open(headers:get(":path"), made.paths) then return end
  if made.allow and made.allow:contains(handle:streamInfo():downstreamRemoteAddress()) then return end

  handle:stats():counter("maintenance_refused"):inc()
  handle:respond({
    [":status"] = 503,
    ["retry-after"] = config.retry_after,
    ["content-type"] = "text/html; charset=utf-8",
    ["cache-control"] = "no-store",
  }, made.page)
end
