-- Gives every request an id: the client's where it may be trusted, or a new one. It goes upstream, back to the client and
-- into the log.
--
-- Parameters:
--   header    that carries it; default x-correlation-id
--   trust     addresses and CIDR blocks of peers whose id is kept; default none
--   response  whether the client is told the id; default true
--   log       whether a line is logged when the exchange is over; default true

schema = {
  header = { type = "string", default = "x-correlation-id" },
  trust = { type = "list", optional = true },
  response = { type = "boolean", default = true },
  log = { type = "boolean", default = true },
}

-- What is made of the parameters once; routes may have their own.
local trusted = {}

local function trusted_peers(config)
  local made = ip.set(config.trust or {})
  trusted[config] = made
  return made
end

-- A UUID of version 4.
local function new_id()
  local bytes = crypto.random_bytes(16)
  local hex = crypto.hex(bytes)
  local variant = ("89ab"):sub(bytes:byte(9) % 4 + 1, bytes:byte(9) % 4 + 1)
  return hex:sub(1, 8) .. "-" .. hex:sub(9, 12) .. "-4" .. hex:sub(14, 16) .. "-" .. variant .. hex:sub(18, 20) .. "-" .. hex:sub(21)
end

-- Ids go into logs and other systems: letters, digits and a few signs, 8 to 128 of them.
local function is_id(value)
  return value ~= nil and #value >= 8 and #value <= 128 and not value:find("[^%w._-]")
end

local function kept_id(handle, headers, config)
  local value = headers:get(config.header)
  -- Two fields were joined with a comma, which no id has.
  if not is_id(value) then return nil end
  -- The peer itself: what it says of those before it is as good as its id.
  local peers = trusted[config] or trusted_peers(config)
  return peers:contains(handle:streamInfo():downstreamDirectRemoteAddress()) and value or nil
end

function on_request(handle)
  local config, headers, context = handle:config(), handle:headers(), handle:context()
  context.id = kept_id(handle, headers, config) or new_id()
  headers:replace(config.header, context.id)
  if config.log then
    -- Not the query: it may hold what a log should not.
    context.line = headers:get(":method") .. " " .. headers:get(":path"):match("^[^?]*")
  end
end

function on_response(handle)
  local config, headers, context = handle:config(), handle:headers(), handle:context()
  context.status = headers:get(":status")
  if config.response and context.id then headers:replace(config.header, context.id) end
end

function on_log(handle)
  local context = handle:context()
  if context.line then handle:logInfo(context.id .. " " .. context.line .. " " .. (context.status or "-")) end
end
