-- Tells upstream the client's country, from a table of address blocks. What the client says of it itself is taken away.
--
-- Data file:
--   countries  lines of a CIDR block, a comma and a code, such as 192.0.2.0/24,DE. The longest block counts. Empty lines and
--              those that begin with # do not
-- Parameters:
--   header   default x-country
--   unknown  what the header says for an address that is in no block; without it there is none

schema = {
  header = { type = "string", default = "x-country" },
  unknown = { type = "string", optional = true },
}

if not data.countries then error("data.countries, the table of address blocks, is missing") end

local function read(text)
  local blocks, number = {}, 0
  for line in text:gmatch("([^\n]*)\n?") do
    number = number + 1
    local block, code = line:match("^([%x.:/]+),(%w+)\r?$")
    if block then blocks[block] = code:upper() end
    if not block and line:find("^%s*[^#%s]") then error("data.countries, line " .. number .. ": not BLOCK,CODE") end
  end
  return ip.set(blocks)
end

local countries = read(data.countries)

function on_request(handle)
  local config, headers = handle:config(), handle:headers()
  local country = countries:find(handle:streamInfo():downstreamRemoteAddress()) or config.unknown
  if country then
    headers:replace(config.header, country)
  else
    headers:remove(config.header)
  end
end
