-- Masks fields in JSON responses. What cannot be read is not let through.
--
-- Parameters:
--   fields   names; every field of the name is masked, however deep
--   paths    places: user.card.number; * is any name, and any place of a list: orders.*.iban. At least one of the two
--   mask     what stands there instead; default "***"
-- Responses without "json" in their content-type pass as they are, and so do those without a body.

schema = {
  fields = { type = "list", default = {} },
  paths = { type = "list", default = {} },
  mask = { type = "string", default = "***" },
}

-- What is made of the parameters once; routes may have their own.
local prepared = {}

-- A tree of names: what is `true` is masked.
local function add_path(tree, path)
  local steps = {}
  for step in path:gmatch("[^.]+") do steps[#steps + 1] = step end
  if #steps == 0 then error("paths: \"" .. path .. "\" names nothing") end
  for index = 1, #steps - 1 do
    local below = tree[steps[index]]
    if below == true then return end
    if not below then
      below = {}
      tree[steps[index]] = below
    end
    tree = below
  end
  tree[steps[#steps]] = true
end

local function prepare(config)
  local made = { fields = {}, tree = {} }
  if #config.fields + #config.paths == 0 then error("fields or paths: name what to mask") end
  for _, name in ipairs(config.fields) do made.fields[name] = true end
  for _, path in ipairs(config.paths) do add_path(made.tree, path) end
  prepared[config] = made
  return made
end

local NONE = {}

-- Whether `key` is to be masked, where the steps so far led to these trees.
local function is_named(key, fields, trees)
  if fields[key] then return true end
  for index = 1, #trees do
    local tree = trees[index]
    if tree[key] == true or tree["*"] == true then return true end
  end
  return false
end

-- The trees that the step `key` leads to.
local function step_into(trees, key)
  if #trees == 0 then return NONE end
  local found = {}
  for index = 1, #trees do
    local tree = trees[index]
    found[#found + 1] = tree[key]
    if key ~= "*" then found[#found + 1] = tree["*"] end
  end
  return found
end

local function mask_below(value, fields, trees, mask)
  for key, item in pairs(value) do
    if is_named(key, fields, trees) then
      value[key] = mask
    elseif type(item) == "table" then
      mask_below(item, fields, step_into(trees, key), mask)
    end
  end
end

local function refuse(handle, why)
  handle:logErr("response not let through: " .. why)
  handle:stats():counter("mask_json_refused"):inc()
  handle:respond({ [":status"] = 502, ["content-type"] = "text/plain" }, "the response could not be checked\n")
end

function on_request(handle)
  local headers = handle:headers()
  -- A compressed response or a part of one could not be read.
  headers:remove("accept-encoding")
  headers:remove("range")
  headers:remove("if-range")
end

function on_response(handle)
  local kind = handle:headers():get("content-type")
  if not kind or not kind:lower():find("json", 1, true) then return end
  local body = handle:body()
  if not body or body:length() == 0 then return end
  -- Only now: objects do not outlive a wait.
  local headers = handle:headers()
  local encoding = headers:get("content-encoding")
  if encoding and encoding:lower() ~= "identity" then refuse(handle, "content-encoding") end
  local value, wrong = json.decode(body:getBytes(0, body:length()))
  if wrong then refuse(handle, "JSON: " .. wrong) end

  local config = handle:config()
  local made = prepared[config] or prepare(config)
  if type(value) == "table" then mask_below(value, made.fields, { made.tree }, config.mask) end
  -- Written anew even where nothing was masked: of a field that is there twice, a client might read the other one.
  body:setBytes(json.encode(value))
  -- They were those of another body.
  for _, name in ipairs({ "etag", "content-md5", "digest", "content-digest", "repr-digest", "accept-ranges" }) do headers:remove(name) end
end
