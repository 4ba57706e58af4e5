-- Puts each client into a bucket by chance and weights, keeps it there with a cookie, and tells upstream.
--
-- Parameters:
--   buckets    a map from names to weights; default { a = 1, b = 1 }. With weight 0 only who has the cookie is in it
--   cookie     the cookie's name; default ab
--   header     for upstream; default x-bucket
--   max_age    of the cookie in seconds; default 30 days; 0 makes it end with the browser
--   path       of the cookie; default /
--   domain     of the cookie; default none, this host alone
--   secure     whether it is for https alone; default true
--   same_site  Lax, Strict or None; default Lax

schema = {
  buckets = { type = "map", optional = true },
  cookie = { type = "string", default = "ab" },
  header = { type = "string", default = "x-bucket" },
  max_age = { type = "integer", default = 2592000, min = 0, max = 34560000 },
  path = { type = "string", default = "/" },
  domain = { type = "string", optional = true },
  secure = { type = "boolean", default = true },
  same_site = { type = "string", default = "Lax" },
}

local CONTEXT_KEY = "ab-cookie"
local SAME_SITE = { Lax = true, Strict = true, None = true }

local function check(holds, what)
  if not holds then error("ab-cookie: " .. what, 0) end
end

-- The list of { name, weights up to here }; the names are sorted, since the order of pairs differs from VM to VM.
local function parse_buckets(map)
  local names, weights, total = {}, {}, 0
  for name, weight in pairs(map) do
    check(name:find("^[%w_.-]+$"), "a bucket's name is letters, digits, '_', '.' and '-'")
    check(math.type(weight) == "integer" and weight >= 0 and weight <= 1000000,
      "the weight of bucket " .. name .. " is no integer from 0 to 1000000")
    names[#names + 1] = name
    weights[name] = weight
  end
  table.sort(names)
  local list = {}
  for index, name in ipairs(names) do
    total = total + weights[name]
    list[index] = { name = name, up_to = total }
  end
  check(total > 0, "all weights are 0")
  return list, weights, total
end

local function cookie_attributes(config)
  check(SAME_SITE[config.same_site], "same_site is Lax, Strict or None")
  check(config.same_site ~= "None" or config.secure, "browsers drop a cookie with same_site None that is not secure")
  check(not (config.path .. (config.domain or "")):find("[%c;]"), "path and domain have no ';'")
  local parts = { "; Path=" .. config.path }
  if config.domain then parts[#parts + 1] = "; Domain=" .. config.domain end
  if config.max_age > 0 then parts[#parts + 1] = "; Max-Age=" .. config.max_age end
  if config.secure then parts[#parts + 1] = "; Secure" end
  parts[#parts + 1] = "; HttpOnly; SameSite=" .. config.same_site
  return table.concat(parts)
end

local function parse(config)
  check(config.cookie:find("^[%w_-]+$"), "the cookie's name is letters, digits, '_' and '-'")
  local list, weights, total = parse_buckets(config.buckets or { a = 1, b = 1 })
  return {
    cookie = config.cookie,
    header = config.header,
    list = list,
    weights = weights,
    total = total,
    attributes = cookie_attributes(config),
  }
end

-- A filter has one table of parameters as long as it lives, so each is parsed once.
local parsed = {}

local function settings_of(handle)
  local config = handle:config()
  local settings = parsed[config]
  if not settings then
    settings = parse(config)
    parsed[config] = settings
  end
  return settings
end

-- The first known bucket: a browser may send the cookie twice, one of another path or of times with other buckets.
local function bucket_from_cookies(headers, settings)
  for index = 0, headers:getNumValues("cookie") - 1 do
    for pair in headers:getAtIndex("cookie", index):gmatch("[^;]+") do
      local name, value = pair:match("^%s*([^=]-)%s*=%s*(.-)%s*$")
      if name == settings.cookie and settings.weights[value] then return value end
    end
  end
  return nil
end

local function bucket_by_chance(settings)
  local list, number, index = settings.list, math.random(settings.total), 1
  while number > list[index].up_to do index = index + 1 end
  return list[index].name
end

function on_request(handle)
  local settings = settings_of(handle)
  local headers = handle:headers()
  local bucket = bucket_from_cookies(headers, settings)
  if not bucket then
    bucket = bucket_by_chance(settings)
    handle:context()[CONTEXT_KEY] = bucket
    handle:stats():counter("ab_cookie_assigned"):inc()
    handle:logDebug("bucket " .. bucket .. " assigned")
  end
  headers:replace(settings.header, bucket)
end

function on_response(handle)
  local bucket = handle:context()[CONTEXT_KEY]
  if not bucket then return end
  local settings = settings_of(handle)
  handle:headers():add("set-cookie", settings.cookie .. "=" .. bucket .. settings.attributes)
end
