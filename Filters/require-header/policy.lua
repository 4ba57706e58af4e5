-- Refuses requests without a header. Parameters: `header` (default x-team), `status` (default 403).
function on_request(handle)
  local config = handle:config()
  local header = config.header or "x-team"
  if not handle:headers():get(header) then
    handle:respond({ [":status"] = config.status or 403, ["content-type"] = "text/plain" },
      "missing header " .. header .. "\n")
  end
end
