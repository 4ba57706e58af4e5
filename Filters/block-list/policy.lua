-- Refuses addresses and user agents that are on a list.
--
-- Data files, one entry a line; empty lines and what is behind # do not count:
--   addresses  addresses and CIDR blocks
--   agents     texts; a user agent that contains one is refused, whatever the case
-- Parameters:
--   status       of the refusal; default 403
--   message      its body; default "forbidden\n"
--   empty_agent  whether requests without a user agent are refused; default false

schema = {
  status = { type = "integer", default = 403, min = 400, max = 599 },
  message = { type = "string", default = "forbidden\n" },
  empty_agent = { type = "boolean", default = false },
}

if not data.addresses and not data.agents then error("neither data.addresses nor data.agents is there") end

-- The entries of a file; `pattern` captures one.
local function entries(text, pattern)
  local found = {}
  for entry in text:gsub("#[^\n]*", ""):gmatch(pattern) do found[#found + 1] = entry end
  return found
end

local addresses = data.addresses and ip.set(entries(data.addresses, "%S+"))
local agents = entries((data.agents or ""):lower(), "(%S[^\r\n]-)%s*%f[\r\n\0]")

local function is_listed(agent)
  local lower = agent:lower()
  for _, text in ipairs(agents) do
    if lower:find(text, 1, true) then return true end
  end
  return false
end

-- Clients send the same few texts again and again: the answers are kept, up to a number and a length.
local MOST, LONGEST = 1000, 256
local known, count = {}, 0

local function is_bad_agent(agent)
  local answer = known[agent]
  if answer ~= nil then return answer end
  answer = is_listed(agent)
  if #agent <= LONGEST then
    if count == MOST then known, count = {}, 0 end
    known[agent] = answer
    count = count + 1
  end
  return answer
end

local function refuse(handle, config, why)
  handle:logInfo("refused: " .. why)
  handle:stats():counter("block_list_refused"):inc()
  handle:respond({ [":status"] = config.status, ["content-type"] = "text/plain" }, config.message)
end

function on_request(handle)
  local config = handle:config()
  if addresses then
    local client = handle:streamInfo():downstreamRemoteAddress()
    if addresses:contains(client) then refuse(handle, config, "address " .. client) end
  end
  -- Several fields are looked at as one.
  local agent = handle:headers():get("user-agent") or ""
  if agent == "" then
    if config.empty_agent then refuse(handle, config, "no user agent") end
  elseif is_bad_agent(agent) then
    refuse(handle, config, "user agent")
  end
end
