-- Checks the JSON Web Token of a request and passes claims of it upstream as headers. The client's own headers of these
-- names are taken away, token or not.
--
-- Data files, one of them, or both while changing from one to the other:
--   secret      for HS256; 32 characters or more
--   public_key  for RS256; PEM
-- Parameters:
--   claims    from claim to header: { sub: x-user, realm.role: x-role }; required. A dot leads into objects
--   issuer    that `iss` must be; default any
--   audience  that `aud` must be or contain; default any
--   header    that carries the token; default authorization, with "Bearer " before it
--   required  whether a request without a token is refused; default true
--   leeway    seconds by which clocks may differ; default 30
--   forward   whether upstream gets the token too; default true

schema = {
  claims = { type = "map" },
  issuer = { type = "string", optional = true },
  audience = { type = "string", optional = true },
  header = { type = "string", default = "authorization" },
  required = { type = "boolean", default = true },
  leeway = { type = "integer", default = 30, min = 0, max = 600 },
  forward = { type = "boolean", default = true },
}

-- MARK: Keys

local function der_of(pem)
  local text = pem:match("%-%-%-%-%-BEGIN PUBLIC KEY%-%-%-%-%-([^-]+)%-%-%-%-%-END PUBLIC KEY%-%-%-%-%-")
  local der = text and base64.decode((text:gsub("%s", "")))
  if not der then error("data.public_key: no PEM that begins with BEGIN PUBLIC KEY") end
  return der
end

local secret = data.secret and data.secret:match("^%s*(.-)%s*$")
local public_key = data.public_key and der_of(data.public_key)
if not secret and not public_key then error("data: neither secret nor public_key is there") end
if secret and #secret < 32 then error("data.secret: 32 characters or more") end

-- Each algorithm has its own key: what a token says of itself never makes the one key serve for the other.
local function is_signed(handle, algorithm, text, signature)
  if algorithm == "HS256" and secret then return crypto.equals(crypto.hmac("sha256", secret, text), signature) end
  if algorithm == "RS256" and public_key then
    return handle:verifySignature("SHA256", public_key, signature, #signature, text, #text)
  end
  return false
end

-- MARK: The token

local function decode(part)
  local text = base64.decode_url(part)
  local value = text and json.decode(text)
  return type(value) == "table" and value or nil
end

local function is_for(audience, aud)
  if type(aud) ~= "table" then return aud == audience end
  for _, one in ipairs(aud) do
    if one == audience then return true end
  end
  return false
end

-- What is wrong with the claims, or nil.
local function wrong_claims(claims, config, now)
  local exp, nbf = claims.exp, claims.nbf
  if math.type(exp) == nil then return "no exp" end
  if now >= exp + config.leeway then return "expired" end
  if nbf ~= nil and (math.type(nbf) == nil or now < nbf - config.leeway) then return "not valid yet" end
  if config.issuer and claims.iss ~= config.issuer then return "another issuer" end
  if config.audience and not is_for(config.audience, claims.aud) then return "another audience" end
end

-- The claims of the token; or nil and what is wrong with it.
local function verify(handle, token, config)
  local signed, head, payload, signature = token:match("^(([%w_-]+)%.([%w_-]+))%.([%w_-]+)$")
  if not signed then return nil, "no token" end
  local header, bytes = decode(head), base64.decode_url(signature)
  if not header or not bytes then return nil, "malformed" end
  -- `crit` names what a reader must understand, and nothing is understood here.
  if header.crit ~= nil then return nil, "crit" end
  if not is_signed(handle, header.alg, signed, bytes) then return nil, "wrong signature or algorithm" end
  local claims = decode(payload)
  if not claims then return nil, "malformed" end
  local wrong = wrong_claims(claims, config, handle:timestamp() // 1000)
  if wrong then return nil, wrong end
  return claims
end

-- MARK: Headers

-- What is made of the parameters once; routes may have their own.
local prepared = {}

local function prepare(config)
  local made = {}
  for claim, header in pairs(config.claims) do
    local path = {}
    for step in claim:gmatch("[^.]+") do path[#path + 1] = step end
    -- A claim may have a dot or more in its own name, as those that begin with https:// do.
    made[#made + 1] = { name = claim, path = path, header = header }
  end
  prepared[config] = made
  return made
end

local function find(claims, wanted)
  local value = claims[wanted.name]
  if value ~= nil then return value end
  value = claims
  for _, step in ipairs(wanted.path) do
    if type(value) ~= "table" then return nil end
    value = value[step]
  end
  return value
end

-- What arrives as it was sent: no empty text, no control characters, nothing but ASCII, no space that would be trimmed.
local function is_plain(value)
  return type(value) == "string" and value ~= "" and not value:find("[%c\127-\255]") and not value:find("^ ") and not value:find(" $")
end

-- The value as a header's; nil for one that cannot be.
local function text_of(value)
  local kind = type(value)
  if kind == "boolean" or kind == "number" then return tostring(value) end
  if kind == "string" then return is_plain(value) and value or nil end
  if kind ~= "table" or #value == 0 then return nil end
  for _, item in ipairs(value) do
    -- Nobody adds to a list with a comma.
    if not is_plain(item) or item:find(",", 1, true) then return nil end
  end
  return table.concat(value, ",")
end

local function refuse(handle, why)
  handle:logInfo("refused: " .. why)
  handle:stats():counter("jwt_refused"):inc()
  handle:respond(
    { [":status"] = 401, ["www-authenticate"] = 'Bearer error="invalid_token"', ["content-type"] = "text/plain" },
    "a valid token is needed\n")
end

-- The token; nil where there is none, "" where what is there is no single token.
local function token_of(headers, name)
  local value = headers:get(name)
  if value == nil or name:lower() ~= "authorization" then return value end
  -- Two fields were joined with a comma, which no token has.
  return value:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+) *$") or ""
end

function on_request(handle)
  local config, headers = handle:config(), handle:headers()
  local wanted = prepared[config] or prepare(config)
  for _, each in ipairs(wanted) do headers:remove(each.header) end

  local token = token_of(headers, config.header)
  if token == nil then
    if config.required then refuse(handle, "no token") end
    return
  end
  local claims, wrong = verify(handle, token, config)
  if not claims then refuse(handle, wrong) end
  for _, each in ipairs(wanted) do
    local value = text_of(find(claims, each))
    if value then headers:replace(each.header, value) end
  end
  if not config.forward then headers:remove(config.header) end
end
