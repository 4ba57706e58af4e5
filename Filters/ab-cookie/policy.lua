-- Puts clients into the buckets of an experiment by weight, and keeps them there with a cookie. Upstream gets the bucket in a
-- header.
--
-- Parameters:
--   buckets  names and weights, { a: 90, b: 10 }; required. Weight 0: nobody new
--   cookie   its name; default ab
--   header   default x-ab-bucket. The client's own is taken away
--   max_age  of the cookie in seconds; default 2592000, 30 days
--   path     of the cookie; default /
--   domain   of the cookie; default none: this host alone
--   secure   whether browsers send it over TLS only; default true

schema = {
  buckets = { type = "map" },
  cookie = { type = "string", default = "ab" },
  header = { type = "string", default = "x-ab-bucket" },
  max_age = { type = "integer", default = 2592000, min = 0 },
  path = { type = "string", default = "/" },
  domain = { type = "string", optional = true },
  secure = { type = "boolean", default = true },
}

-- The value of the first cookie of the name. `prefix` is the name and an equals sign.
local function cookie(headers, prefix)
  for index = 0, headers:getNumValues("cookie") - 1 do
    local field, from = headers:getAtIndex("cookie", index), 1
    while true do
      local first, last = field:find(prefix, from, true)
      if not first then break end
      -- Not the end of another cookie's name.
      if first == 1 or field:find("^[; \t]", first - 1) then return field:match("^[^; \t]*", last + 1) end
      from = last + 1
    end
  end
end

-- What is made of the parameters once; routes may have their own.
local prepared = {}

-- The ends of the buckets on a line from 0 to their total weight, in the order of their names.
local function line(buckets)
  local made, total = { ends = {} }, 0
  for name in pairs(buckets) do made[#made + 1] = name end
  table.sort(made)
  for index, name in ipairs(made) do
    local weight = buckets[name]
    if not name:find("^[%w_.-]+$") then error("buckets: \"" .. name .. "\" is more than letters, digits, _, . and -") end
    if math.type(weight) ~= "integer" or weight < 0 or weight > 1000000 then error("buckets: " .. name .. ": a weight is 0 to 1000000") end
    total = total + weight
    made.ends[index] = total
  end
  if total == 0 then error("buckets: no bucket has a weight") end
  made.total = total
  return made
end

local function prepare(config)
  local attributes = "; Path=" .. config.path .. "; Max-Age=" .. config.max_age .. "; HttpOnly; SameSite=Lax"
  if config.domain then attributes = attributes .. "; Domain=" .. config.domain end
  if config.secure then attributes = attributes .. "; Secure" end
  local made = { line = line(config.buckets), prefix = config.cookie .. "=", attributes = attributes }
  prepared[config] = made
  return made
end

local function pick(buckets)
  local a, b, c, d = crypto.random_bytes(4):byte(1, 4)
  local place = (((a * 256 + b) * 256 + c) * 256 + d) * buckets.total // 4294967296
  local index = 1
  while place >= buckets.ends[index] do index = index + 1 end
  return buckets[index]
end

function on_request(handle)
  local config, headers = handle:config(), handle:headers()
  local made = prepared[config] or prepare(config)
  local bucket = cookie(headers, made.prefix)
  -- A bucket that is not there any more, or that somebody made up.
  if not bucket or not config.buckets[bucket] then
    bucket = pick(made.line)
    handle:context().cookie = made.prefix .. bucket .. made.attributes
    handle:stats():counter("ab_assigned_" .. bucket):inc()
  end
  headers:replace(config.header, bucket)
end

function on_response(handle)
  local assigned = handle:context().cookie
  if assigned then handle:headers():add("set-cookie", assigned) end
end
