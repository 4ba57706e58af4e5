-- Keeps the request's tag when a trusted client sends a well-formed one, otherwise makes one; sends it upstream and
-- back to the client, and logs it.
--
-- Parameters:
--   header      the header's name; default x-request-tag
--   trusted     CIDR blocks of peers whose tags are kept; default none
--   bytes       of randomness in a tag that is made, twice as many characters; default 16
--   max_length  of a tag that is kept; default 64
--   respond     whether the client gets the tag; default true
--   log         whether each request is logged; default true

schema = {
  header = { type = "string", default = "x-request-tag" },
  trusted = { type = "list", optional = true },
  bytes = { type = "integer", default = 16, min = 8, max = 64 },
  max_length = { type = "integer", default = 64, min = 8, max = 256 },
  respond = { type = "boolean", default = true },
  log = { type = "boolean", default = true },
}

local MIN_LENGTH = 8
local CONTEXT_KEY = "request-tag"

-- A filter has one table of parameters as long as it lives, so the blocks of each are read once.
local trusted_blocks = {}

local function is_trusted(handle, config)
  local blocks = trusted_blocks[config]
  if not blocks then
    blocks = ip.set(config.trusted or {})
    trusted_blocks[config] = blocks
  end
  -- The peer itself, not the client that it speaks for: it is the peer that vouches for the tag.
  return blocks:contains(handle:streamInfo():downstreamDirectRemoteAddress())
end

-- Tags end in logs and other systems' queries, so nothing but plain characters may be in them.
local function is_well_formed(tag, config)
  return #tag >= MIN_LENGTH and #tag <= config.max_length and not tag:find("[^%w._-]")
end

local function kept_tag(handle, headers, config)
  local count = headers:getNumValues(config.header)
  if count == 0 or not is_trusted(handle, config) then return nil end
  local tag = headers:get(config.header)
  -- Of two tags nobody knows which one the client means.
  if count == 1 and is_well_formed(tag, config) then return tag end
  handle:stats():counter("request_tag_malformed"):inc()
  return nil
end

function on_request(handle)
  local config = handle:config()
  local headers = handle:headers()
  local tag = kept_tag(handle, headers, config)
  local how = tag and "kept" or "made"
  tag = tag or crypto.hex(crypto.random_bytes(config.bytes))
  headers:replace(config.header, tag)
  handle:context()[CONTEXT_KEY] = tag
  if config.log then handle:logInfo("tag " .. tag .. " " .. how) end
end

function on_response(handle)
  local config = handle:config()
  local tag = handle:context()[CONTEXT_KEY]
  -- There is none when a filter before this one answered.
  if tag and config.respond then handle:headers():replace(config.header, tag) end
end
