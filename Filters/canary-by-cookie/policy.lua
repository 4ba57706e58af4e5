-- Marks requests for the canary with a header that a route matches on: when a cookie says so, or for a part of the
-- users that stays the same.
--
-- Parameters:
--   header       the header; default x-canary. What the client sends in it is dropped
--   value        of the header; default "1"
--   cookie       the cookie's name; default canary
--   always       the cookie's value that means the canary; default "always"
--   never        the cookie's value that means the stable version; default "never"
--   percent      of users that get the canary, 0 to 100, in steps of 0.01; default 0
--   user_header  with the user's id; default x-user-id
--   salt         another salt picks other users; default canary

schema = {
  header = { type = "string", default = "x-canary" },
  value = { type = "string", default = "1" },
  cookie = { type = "string", default = "canary" },
  always = { type = "string", default = "always" },
  never = { type = "string", default = "never" },
  percent = { type = "number", default = 0, min = 0, max = 100 },
  user_header = { type = "string", default = "x-user-id" },
  salt = { type = "string", default = "canary" },
}

-- true for the canary, false for the stable version, nil when the cookies say nothing or both.
local function choice_of_cookies(headers, config)
  local always, never = false, false
  for index = 0, headers:getNumValues("cookie") - 1 do
    for pair in headers:getAtIndex("cookie", index):gmatch("[^;]+") do
      local name, value = pair:match("^%s*([^=]-)%s*=%s*(.-)%s*$")
      if name == config.cookie then
        always = always or value == config.always
        never = never or value == config.never
      end
    end
  end
  if always == never then return nil end
  return always
end

local function is_in_share(headers, config)
  if config.percent == 0 or headers:getNumValues(config.user_header) ~= 1 then return false end
  local user = headers:get(config.user_header)
  -- All who have no id would be one user.
  if user == "" then return false end
  -- A zero byte, which no header has, keeps salt and user apart.
  local a, b, c, d = crypto.hash("sha256", config.salt .. "\0" .. user):byte(1, 4)
  local place = ((a << 24) | (b << 16) | (c << 8) | d) % 10000
  -- Rounded: 0.07 * 100 is a little more than 7.
  return place < math.floor(config.percent * 100 + 0.5)
end

function on_request(handle)
  local config = handle:config()
  local headers = handle:headers()
  headers:remove(config.header)
  local canary = choice_of_cookies(headers, config)
  local why = "cookie"
  if canary == nil then
    canary = is_in_share(headers, config)
    why = "share"
  end
  if not canary then return end
  headers:replace(config.header, config.value)
  handle:stats():counter("canary_by_" .. why):inc()
  handle:logDebug("canary by " .. why)
end
