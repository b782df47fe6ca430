-- The load: sends the requests of a file in turn, one a line: method, token, path, body, with tabs between.
-- A PATCH goes to the next idle project of a second file (id, version, status; one a line). A project is idle again once
-- its answer has told the new version: each has one request at a time, and no change is refused for its version.
local requests, sent = {}, 0
local idle, first, last, busy = {}, 1, 0, {}
local thread
wrong = 0 -- Answers to a PATCH without its outcome. Global, so that `done` can get it from the thread.

function setup(of_the_load)
  thread = of_the_load
end

local function follow(_, _, body)
  local project = busy[body:match('"id": *"([^"]+)"')]
  if not project then return end
  local version, status = tonumber(body:match('"version": *(%d+)')), body:match('"status": *"(%a+)"')
  if version ~= project.version + 1 or status ~= project.status then wrong = wrong + 1 end
  project.version, busy[project.id] = version, nil
  last = last + 1
  idle[last] = project
end

local function patch(request)
  local project = assert(idle[first], "no project is idle: changes are refused, or not answered")
  idle[first], busy[project.id] = nil, project
  first = first + 1
  project.status = project.status == "paused" and "active" or "paused"
  request.headers["If-Match"] = '"' .. project.version .. '-"'
  local path = request.path .. "/" .. project.id
  return wrk.format("PATCH", path, request.headers, '{"status": "' .. project.status .. '"}')
end

function init(args)
  for line in io.lines(args[1]) do
    local method, token, path, body = line:match("^(%u+)\t([^\t]+)\t([^\t]+)\t(.*)$")
    local headers = { Authorization = "Bearer " .. token }
    if method ~= "GET" then headers["Content-Type"] = "application/json" end
    requests[#requests + 1] = method == "PATCH" and { path = path, headers = headers }
      or wrk.format(method, path, headers, body ~= "" and body or nil)
  end
  for line in io.lines(args[2]) do
    local id, version, status = line:match("^(%S+)\t(%d+)\t(%a+)$")
    last = last + 1
    idle[last] = { id = id, version = tonumber(version), status = status }
  end
  if last > 0 then response = follow end -- Where nothing is followed, no answer is taken apart.
end

function request()
  sent = sent % #requests + 1
  local next = requests[sent]
  return type(next) == "string" and next or patch(next)
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d, "wrong": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    failed.status, failed.connect + failed.read + failed.write + failed.timeout, thread:get("wrong")
  ))
end
