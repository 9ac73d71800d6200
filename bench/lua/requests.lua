-- requests.lua -- HEAD BODY [ITEMS]: files with the request's head (up to the empty line, without Content-Length) and body. In both, {number}
-- stands for the count of the request and {item} for the next line of ITEMS. Each line is used once; when none is left the run ends, and says so.
dofile("report.lua")

local function contents(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function split(text)
  local parts, from = {}, 1
  while true do
    local first, last, name = text:find("{(%l+)}", from)
    while first and name ~= "item" and name ~= "number" do
      first, last, name = text:find("{(%l+)}", last + 1)
    end
    if not first then
      table.insert(parts, text:sub(from))
      return parts
    end
    table.insert(parts, text:sub(from, first - 1))
    table.insert(parts, { name = name })
    from = last + 1
  end
end

local function filled(parts, values)
  if #parts == 1 then
    return parts[1]
  end
  local whole = ""
  for _, part in ipairs(parts) do
    whole = whole .. (type(part) == "table" and values[part.name] or part)
  end
  return whole
end

function init(args)
  count_statuses()
  head, body, number, ran_out = split(contents(args[1])), split(contents(args[2])), 0, false
  if args[3] then
    items = {}
    for line in io.lines(args[3]) do
      table.insert(items, line)
    end
  end
end

function request()
  number = number + 1
  local values = { number = tostring(number) }
  if items then
    values.item = items[number]
    if not values.item then
      -- wrk wants a request all the same; the run is not counted.
      ran_out = true
      wrk.thread:stop()
      values.item = items[#items]
    end
  end
  local filled_body = filled(body, values)
  return filled(head, values) .. "Content-Length: " .. #filled_body .. "\r\n\r\n" .. filled_body
end
