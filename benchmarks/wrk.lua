-- The load: sends the requests of a file, one path a line, in turn. Arguments: method, file, body.
local requests, sent = {}, 0

function init(args)
  local method, file, body = args[1], args[2], args[3]
  if body then wrk.headers["Content-Type"] = "application/json" end
  for path in io.lines(file) do
    requests[#requests + 1] = wrk.format(method, path, wrk.headers, body)
  end
end

function request()
  sent = sent % #requests + 1
  return requests[sent]
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    failed.status, failed.connect + failed.read + failed.write + failed.timeout
  ))
end
