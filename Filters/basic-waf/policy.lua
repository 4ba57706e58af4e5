-- Looks for the common attacks in path, query, some headers and, if wanted, the body: SQL injection, cross-site scripting,
-- path traversal, shell commands. It is a net below an application that defends itself, not in its place.
--
-- Parameters:
--   mode        block (the default) or log
--   exclude     ids of rules that do not count; a route may have its own list
--   headers     that are looked at; default [user-agent, referer]
--   longest     bytes of the target or a header that are looked at; longer ones are refused as `too-long`; default 2048
--   body_limit  bytes of the body that are looked at; default 0, none
--   body_over   what becomes of a longer body: deny (413, the default), or pass with its beginning looked at
--   status      of the refusal; default 403

schema = {
  mode = { type = "string", default = "block" },
  exclude = { type = "list", default = {} },
  headers = { type = "list", default = { "user-agent", "referer" } },
  longest = { type = "integer", default = 2048, min = 1 },
  body_limit = { type = "integer", default = 0, min = 0, max = 1048576 },
  body_over = { type = "string", default = "deny" },
  status = { type = "integer", default = 403, min = 400, max = 599 },
}

-- MARK: Rules

-- What SQL takes for a space: up to eight spaces, comments, brackets.
local S = [=[(?>/\*!\d{0,6}|/\*.{0,40}?\*/|/\*|\*/|[\s(+]){1,8}]=]
local S0 = [=[(?>/\*!\d{0,6}|/\*.{0,40}?\*/|/\*|\*/|[\s(+]){0,8}]=]
-- Programs that intruders start, alone or with arguments.
local ALONE = [=[(?:id|whoami|uname|ls|dir|env|printenv|ps|pwd|netstat|ifconfig|ipconfig|hostname|systeminfo)]=]
local PROGRAM = [=[(?:cat|ls|id|whoami|uname|wget|curl|nc|ncat|netcat|bash|sh|zsh|ksh|python[23]?|perl|ruby|php|node|ping|nslookup|]=]
  .. [=[dig|sleep|rm|mv|cp|chmod|chown|touch|kill|echo|printf|head|tail|more|less|find|grep|awk|sed|base64|powershell|cmd|type|]=]
  .. [=[dir|net|certutil|telnet|ssh|tftp|busybox)]=]

-- Every repetition has an end or goes over one class of characters, so that the time grows with the text alone.
local RULES = {
  { "sql-union", [=[(?<![a-z_])union{S}(?:(?:all|distinct){S})?select\b|['"\d]\){0,4}{S}(?:order|group){S}by{S}\d]=] },
  { "sql-tautology", [=[['"]\){0,4}{S0}(?:x?or|and|\|\||&&){S0}['"]?[\w.@]{0,32}['"]?\s{0,8}(?:=|<|>|like\s{0,8}['"])]=]
    .. [=[|['"]\){0,4}{S0}(?:or|\|\|){S0}(?:true|\d{1,9})\s{0,8}(?:--|#|;|/\*)]=]
    .. [=[|(?:^|[=\s,(])-?\d{1,12}\){0,4}{S}(?:x?or|and|\|\||&&){S0}['"]?\d{1,12}['"]?\s{0,8}[=<>]\s{0,8}['"]?\d]=] },
  { "sql-comment", [=[[\w)]['"]\){0,4}\s{0,8}(?:--|#|/\*)[\s+-]{0,8}(?:&|$)]=] },
  { "sql-stacked", [=[;{S0}(?:(?:drop|alter|create|truncate){S}(?:table|database|schema|view|user|index|procedure)]=]
    .. [=[|insert{S}into|delete{S}from|update{S}[\w.`"]{1,64}{S}set|exec(?:ute)?{S}[\w@]|declare{S}@|shutdown\b)]=] },
  { "sql-function", [=[\b(?:pg_)?sleep\s{0,8}\(\s{0,8}[\d.]|\bbenchmark\s{0,8}\(\s{0,8}\d|\bwaitfor{S}(?:delay|time)\b|\bxp_cmdshell\b]=]
    .. [=[|\b(?:load_file|extractvalue|updatexml|dbms_\w{1,32}\.\w{1,32})\s{0,8}\(|\binto{S}(?:out|dump)file\b]=] },
  { "sql-select", [=[\binformation_schema\b|\(\s{0,8}select\b.{1,100}?\bfrom\b]=]
    .. [=[|\bselect\b.{1,100}?\bfrom{S}(?:mysql\.|pg_|sys(?:\.|objects|columns)|sqlite_master|dual\b)]=] },
  { "xss-tag", [=[<\s{0,8}/?\s{0,8}(?:script|iframe|frame|object|embed|applet|svg|math|style|link|meta|base|form|img|image|body|video|audio|]=]
    .. [=[input|details|template|marquee|isindex)(?:[\s/>&]|$)]=] },
  { "xss-event", [=[[\s"'/<>]on(?:error|load|click|dblclick|mouse\w{1,8}|pointer\w{1,12}|key\w{1,5}|focus\w{0,3}|blur|toggle|start|begin|]=]
    .. [=[submit|change|input|animation\w{1,12}|transition\w{1,6}|scroll|wheel|resize|message|hashchange|pageshow|copy|paste|cut)\s{0,8}=]=] },
  { "xss-uri", [=[(?:^|[=\s"'(])(?:java|vb)\s{0,2}script\s{0,2}:\s{0,8}[^\s&]{0,64}[(=`]|\bdata:text/html\b]=] },
  { "path-traversal", [=[(?:^|[/\\=&,;\s"'])\.\.(?:[/\\]|;/)|/\.\.$|\.{4}//|\xc0[\xae\xaf]|\xe0\x80[\xae\xaf]]=] },
  { "file-access", [=[/etc/(?:passwd|shadow|group|hosts|sudoers|ssh/)|/proc/(?:self|\d{1,7}|version|cpuinfo|environ)\b]=]
    .. [=[|[/\\]windows[/\\](?:system32|win\.ini)|\bboot\.ini\b|(?:^|=)(?:php|phar|expect|zip|glob|gopher|dict|file)://]=] },
  { "hidden-file", [=[/\.(?:git|svn|hg|env|htpasswd|htaccess|ssh|aws|docker)(?:[/.?&]|$)]=] },
  { "shell-command", [=[(?:;|\|\|?|&&|`|\$\(|\n)\s{0,8}(?:/(?:usr/)?s?bin/)?(?:{PROGRAM}(?:\.exe)?\s{1,8}(?:[-/$~.\\<>|"'\d]|https?:)]=]
    .. [=[|{ALONE}\s{0,8}(?:[;|&`)\n#]|$))|/bin/(?:ba|da|z|k|c)?sh\b|/dev/(?:tcp|udp)/|\$\{?IFS\b]=] },
  { "shell-function", [=[\(\)\s{0,8}\{\s{0,8}(?::|_)?;]=] },
  { "template", [=[\$\{[^}]{0,40}?(?:jndi|lower|upper|env|sys|java|::|\d\s{0,4}\*\s{0,4}\d)]=]
    .. [=[|\{\{.{0,40}?(?:\d\s{0,4}\*\s{0,4}['"]?\d|__\w|constructor|config\b|request\.)|<\?(?:php|=)|<%=]=] },
  { "null-byte", [=[\x00]=] },
}

local PARTS = { S = S, S0 = S0, ALONE = ALONE, PROGRAM = PROGRAM }
for _, rule in ipairs(RULES) do
  rule.id = rule[1]
  rule.regex = regex.compile((rule[2]:gsub("{(%u%d?%u*)}", PARTS)), "is")
end

-- MARK: Texts

-- From %41 to A, whatever the case of the digits.
local ESCAPES, UNICODE = {}, {}
for code = 0, 255 do
  local digits = ("%02x"):format(code)
  local high, low = digits:sub(1, 1), digits:sub(2)
  for _, pair in ipairs({ high .. low, high:upper() .. low, high .. low:upper(), high:upper() .. low:upper() }) do
    ESCAPES["%" .. pair] = string.char(code)
    UNICODE[pair] = string.char(code)
  end
end

-- One layer of percent-encoding taken off; what is malformed stays. %u0041 as well, which some servers read.
local function decode(text)
  if text:find("%u", 1, true) or text:find("%U", 1, true) then text = text:gsub("%%[uU]00(%x%x)", UNICODE) end
  return (text:gsub("%%%x%x", ESCAPES))
end

local function first_match(text, rules)
  for index = 1, #rules do
    if rules[index].regex:test(text) then return rules[index].id end
  end
end

-- Up to three layers are taken off, and what is below each is looked at.
local LAYERS = 3

local function inspect(text, rules)
  for _ = 1, LAYERS do
    local plain = text:find("%", 1, true) and decode(text) or text
    local found = first_match(plain, rules)
    if found or plain == text then return found end
    text = plain
  end
end

-- Clients send the same texts again and again: those that were found clean are kept, up to a number and a length.
local MOST, LONGEST = 500, 512

local function new_memory() return { count = 0, clean = {} } end

local function remember(memory, text)
  if #text > LONGEST then return end
  if memory.count == MOST then memory.clean, memory.count = {}, 0 end
  memory.clean[text] = true
  memory.count = memory.count + 1
end

local function inspect_target(target, made)
  if made.targets.clean[target] then return nil end
  if #target > made.longest then return "too-long" end
  local path, query = target:match("^([^?]*)%??(.*)$")
  local found = inspect(path, made.rules)
  -- In a query + is a space.
  if not found and query ~= "" then found = inspect(query:gsub("%+", " "), made.rules) end
  if not found then remember(made.targets, target) end
  return found
end

local function inspect_header(value, made)
  if made.headers.clean[value] then return nil end
  if #value > made.longest then return "too-long" end
  local found = inspect(value, made.rules)
  if not found then remember(made.headers, value) end
  return found
end

-- MARK: Parameters

-- What is made of the parameters once; routes may have their own.
local prepared = {}

local function check_word(name, value, one, other)
  if value ~= one and value ~= other then error(name .. ": " .. one .. " or " .. other .. ", not \"" .. value .. "\"") end
end

local function rules_without(excluded)
  local left, known = {}, {}
  for _, id in ipairs(excluded) do known[id] = false end
  for _, rule in ipairs(RULES) do
    if known[rule.id] == nil then left[#left + 1] = rule end
    known[rule.id] = true
  end
  for id, is_rule in pairs(known) do
    if not is_rule then error("exclude: there is no rule \"" .. id .. "\"") end
  end
  return left
end

local function prepare(config)
  check_word("mode", config.mode, "block", "log")
  check_word("body_over", config.body_over, "deny", "pass")
  local made = {
    rules = rules_without(config.exclude),
    longest = config.longest,
    targets = new_memory(),
    headers = new_memory(),
  }
  prepared[config] = made
  return made
end

-- MARK: Hook

local function report(handle, config, id, place)
  handle:stats():counter("waf_" .. id:gsub("-", "_")):inc()
  -- Not what was found: it is the client's text.
  handle:logWarn("rule " .. id .. " in " .. place)
  if config.mode == "block" then
    handle:respond({ [":status"] = config.status, ["content-type"] = "text/plain" }, "forbidden\n")
  end
end

local function inspect_body(handle, config, made)
  local body = handle:body()
  if not body then return end
  local length = body:length()
  if length > config.body_limit and config.body_over == "deny" and config.mode == "block" then
    handle:logWarn("body of " .. length .. " bytes")
    handle:respond({ [":status"] = 413, ["content-type"] = "text/plain" }, "body too large\n")
  end
  local text = body:getBytes(0, math.min(length, config.body_limit))
  -- As forms have it, and as JSON has it.
  local found = inspect(text:gsub("%+", " "), made.rules) or inspect(text:gsub("\\u00(%x%x)", UNICODE), made.rules)
  if found then report(handle, config, found, "the body") end
end

function on_request(handle)
  local config, headers = handle:config(), handle:headers()
  local made = prepared[config] or prepare(config)
  local found = inspect_target(headers:get(":path"), made)
  if found then report(handle, config, found, "the target") end
  for _, name in ipairs(config.headers) do
    local value = headers:get(name)
    found = value and inspect_header(value, made)
    if found then report(handle, config, found, name) end
  end
  if config.body_limit > 0 then inspect_body(handle, config, made) end
end
