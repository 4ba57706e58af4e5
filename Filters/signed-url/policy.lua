-- Lets a request pass only with a signed URL that has not expired.
--
-- A signed URL ends with three parameters, in this order:
--   ...expires=SECONDS&key=ID&signature=HEX
-- The signature is HMAC-SHA256 over everything before `&signature=`, from the path's first slash on, so nothing can be added
-- or changed. SECONDS is when it ends, since 1970.
--
-- Data file:
--   keys     lines of an id and a secret of 16 characters or more. Several can be there: a new one is added, links are made
--            with it, and the old one is taken out when its links have expired
-- Parameters:
--   methods  that a URL is good for; default [GET, HEAD]
--   max_ttl  seconds; a URL that lasts longer from now on is refused; default 604800, 7 days
--   strip    whether upstream gets the URL without the three parameters; default true

schema = {
  methods = { type = "list", default = { "GET", "HEAD" } },
  max_ttl = { type = "integer", default = 604800, min = 1 },
  strip = { type = "boolean", default = true },
}

local function read_keys(text)
  local keys, number = {}, 0
  for line in text:gmatch("([^\n]*)\n?") do
    number = number + 1
    local id, secret = line:match("^([%w_-]+)%s+(%S+)%s*$")
    if id and (#secret < 16 or keys[id]) then error("data.keys, line " .. number .. ": a secret is too short, or an id twice") end
    if not id and line:find("^%s*[^#%s]") then error("data.keys, line " .. number .. ": not ID SECRET") end
    if id then keys[id] = secret end
  end
  -- Nothing of the secrets goes into the message.
  if not next(keys) then error("data.keys: no key") end
  return keys
end

local keys = read_keys(data.keys or "")

local function contains(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
  return false
end

local function refuse(handle, why)
  handle:logInfo("refused: " .. why)
  handle:stats():counter("signed_url_refused"):inc()
  -- Why is for the log: who guesses learns nothing here.
  handle:respond({ [":status"] = 403, ["content-type"] = "text/plain", ["cache-control"] = "no-store" }, "this link is not valid\n")
end

-- What is wrong with the target, or nil and what is before the three parameters.
local function check(target, config, now)
  local signed, signature = target:match("^(.*)&signature=(%x+)$")
  if not signed or #signature ~= 64 then return "no signature" end
  local bare, expires, id = signed:match("^(.*)[?&]expires=(%d+)&key=([%w_-]+)$")
  if not bare or #expires > 15 then return "no expiry or key before the signature" end
  local secret = keys[id]
  if not secret then return "no key " .. id end
  -- First who made it, then what it says.
  if not crypto.equals(crypto.hmac("sha256", secret, signed), crypto.unhex(signature)) then return "wrong signature" end
  local left = math.tointeger(expires) - now
  if left <= 0 then return "expired" end
  if left > config.max_ttl then return "lasts too long" end
  return nil, bare
end

function on_request(handle)
  local config, headers = handle:config(), handle:headers()
  if not contains(config.methods, headers:get(":method")) then refuse(handle, "method") end
  local wrong, bare = check(headers:get(":path"), config, handle:timestamp() // 1000)
  if wrong then refuse(handle, wrong) end
  if config.strip then headers:replace(":path", bare) end
end
