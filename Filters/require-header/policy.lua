-- Refuses requests that lack a header, or whose header has a value that is not on a list.
--
-- Parameters:
--   header   the header's name; default x-team
--   allowed  a list of values; without it every value but the empty one is accepted
--   status   of the refusal; default 403
--   message  the refusal's body; default names the header

schema = {
  header = { type = "string", default = "x-team" },
  allowed = { type = "list", optional = true },
  status = { type = "integer", default = 403, min = 400, max = 599 },
  message = { type = "string", optional = true },
}

local function is_allowed(value, allowed)
  if value == nil or value == "" then return false end
  if not allowed then return true end
  for _, candidate in ipairs(allowed) do
    if candidate == value then return true end
  end
  return false
end

function on_request(handle)
  local config = handle:config()
  local name = config.header
  local headers = handle:headers()
  local value = headers:get(name)
  -- Two fields of one name: upstream might read the other one.
  if headers:getNumValues(name) <= 1 and is_allowed(value, config.allowed) then return end

  handle:logInfo("refused: " .. name .. " is " .. (value or "missing"))
  handle:respond(
    { [":status"] = config.status, ["content-type"] = "text/plain" },
    config.message or "header " .. name .. " is required\n")
end
