-- Allows each team a number of requests in a window of time; the windows follow each other and are the same for all.
--
-- Parameters:
--   header   with the team; default x-team
--   window   seconds; default 60
--   teams    a map from teams to their limits
--   limit    for all teams that are not in the map, together; default 100
--   message  the refusal's body

schema = {
  header = { type = "string", default = "x-team" },
  window = { type = "integer", default = 60, min = 1, max = 86400 },
  teams = { type = "map", optional = true },
  limit = { type = "integer", default = 100, min = 0, max = 1000000000 },
  message = { type = "string", default = "too many requests\n" },
}

local CONTEXT_KEY = "team-quota"

-- All workers count in it, and it stays through reloads.
local counts = shared("team-quota")

local function parse_teams(map)
  local limits = {}
  for team, limit in pairs(map or {}) do
    if math.type(limit) ~= "integer" or limit < 0 then
      error("team-quota: the limit of team " .. team .. " is no integer from 0", 0)
    end
    limits[team] = limit
  end
  return limits
end

-- A filter has one table of parameters as long as it lives, so the map of each is checked once.
local limits_of = {}

local function known_team(headers, config)
  local limits = limits_of[config]
  if not limits then
    limits = parse_teams(config.teams)
    limits_of[config] = limits
  end
  -- Two fields of the name: one of them could be another team's, so it is nobody's.
  if headers:getNumValues(config.header) ~= 1 then return nil end
  local team = headers:get(config.header)
  return team, limits[team]
end

-- Teams that are not in the map share a count. With one each, a client would make up names to get more, and fill the
-- store with them.
local function count_key(team, limit, window, number)
  local who = limit and "team:" .. team or "others"
  return window .. ":" .. number .. ":" .. who
end

local function add_fields(headers, quota)
  headers["x-ratelimit-limit"] = quota.limit
  headers["x-ratelimit-remaining"] = quota.remaining
  headers["x-ratelimit-reset"] = quota.reset
  return headers
end

function on_request(handle)
  local config = handle:config()
  local team, limit = known_team(handle:headers(), config)
  local now = math.floor(time.now())
  local window = config.window
  local reset = window - now % window
  -- The count goes away by itself, a second after its window.
  local used = counts:incr(count_key(team, limit, window, now // window), 1, 0, reset + 1)

  local who = limit and "team " .. team or "the other teams"
  limit = limit or config.limit
  local quota = { limit = limit, remaining = math.max(0, limit - used), reset = reset }
  handle:context()[CONTEXT_KEY] = quota
  if used <= limit then return end

  handle:stats():counter("team_quota_refused"):inc()
  -- Once a window: a team that is over its limit would fill the log.
  if used == limit + 1 then handle:logWarn(who .. " used " .. limit .. " requests in " .. window .. " s") end
  handle:respond(
    add_fields({ [":status"] = 429, ["content-type"] = "text/plain", ["retry-after"] = reset }, quota),
    config.message)
end

function on_response(handle)
  local quota = handle:context()[CONTEXT_KEY]
  -- There is none when a filter before this one answered.
  if not quota then return end
  local headers = handle:headers()
  for name, value in pairs(add_fields({}, quota)) do headers:replace(name, value) end
end
