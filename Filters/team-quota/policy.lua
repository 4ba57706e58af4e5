-- Limits the requests of each team in a window of time, over all workers. Beyond the limit: 429 with Retry-After.
--
-- Parameters:
--   header    that names the team; default x-team. Set it by a policy that knows the team, or strip it from strangers
--   requests  that a team may make in a window; default 1000
--   window    seconds; default 60
--   teams     other limits for some teams, { red: 50 }; 0 closes a team out
--   unknown   teams that are not in `teams`: `limit` them too (the default), or `deny` them
--   missing   requests without a team: `deny` (the default), or `limit` them all together
--   headers   whether responses carry the x-ratelimit-* headers; default true

schema = {
  header = { type = "string", default = "x-team" },
  requests = { type = "integer", default = 1000, min = 0 },
  window = { type = "integer", default = 60, min = 1, max = 86400 },
  teams = { type = "map", optional = true },
  unknown = { type = "string", default = "limit" },
  missing = { type = "string", default = "deny" },
  headers = { type = "boolean", default = true },
}

local counts = shared("team-quota")
local LONGEST_NAME = 64

local function check_word(name, value)
  if value ~= "limit" and value ~= "deny" then error(name .. ": limit or deny, not \"" .. value .. "\"") end
end

-- Parameters that were looked at once; routes may have their own.
local checked = {}

local function check(config)
  check_word("unknown", config.unknown)
  check_word("missing", config.missing)
  for name, limit in pairs(config.teams or {}) do
    if math.type(limit) ~= "integer" or limit < 0 then error("teams: " .. name .. ": a limit is a whole number, 0 or more") end
  end
  checked[config] = true
end

-- The request's team, "" for none; nil for what is no team's name.
local function team_of(headers, name)
  local value = headers:get(name) or ""
  -- Two fields: upstream might see the other one. Long names: they would be memory at a stranger's will.
  if #value > LONGEST_NAME or headers:getNumValues(name) > 1 then return nil end
  return value
end

-- The limit of the team; nil for none that may come in.
local function limit_of(team, config)
  if team == nil or (team == "" and config.missing == "deny") then return nil end
  local own = config.teams and config.teams[team]
  if own then return own end
  if team ~= "" and config.unknown == "deny" then return nil end
  return config.requests
end

local function ratelimit_headers(limit, used, reset)
  return {
    ["x-ratelimit-limit"] = limit,
    ["x-ratelimit-remaining"] = limit > used and limit - used or 0,
    ["x-ratelimit-reset"] = reset,
  }
end

local function refuse(handle, config, limit, used, reset)
  handle:stats():counter("quota_exceeded"):inc()
  local headers = config.headers and ratelimit_headers(limit, used, reset) or {}
  headers[":status"] = 429
  headers["retry-after"] = reset
  headers["content-type"] = "text/plain"
  handle:respond(headers, "too many requests\n")
end

function on_request(handle)
  local config = handle:config()
  if not checked[config] then check(config) end
  local team = team_of(handle:headers(), config.header)
  local limit = limit_of(team, config)
  if not limit then
    handle:stats():counter("quota_no_team"):inc()
    handle:respond({ [":status"] = 403, ["content-type"] = "text/plain" }, "no team\n")
  end

  local window, now = config.window, handle:timestamp() // 1000
  local reset = window - now % window
  -- Windows of another length do not share a count. An old one is forgotten with the second after it.
  local key = window .. ":" .. now // window .. ":" .. team
  local used = counts:incr(key, 1, 0, reset + 1)
  if used > limit then refuse(handle, config, limit, used, reset) end
  if config.headers then handle:context().headers = ratelimit_headers(limit, used, reset) end
end

function on_response(handle)
  local headers = handle:headers()
  for name, value in pairs(handle:context().headers or {}) do headers:replace(name, value) end
end
