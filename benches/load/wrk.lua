-- Sends each request with the next token of a file, one token a line: docs/load-testing.md.
--
--   wrk -t2 -c64 -d30s --latency -s benches/load/wrk.lua http://127.0.0.1:8080/ -- TOKENS [THREADS]
--
-- With THREADS, the number given to -t, each thread has lines of its own, and no token is sent twice before all were sent
-- once. Without, each thread walks the whole file from its beginning.

local threads = {}

-- Runs before the threads do.
function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(arguments)
  local file = arguments[1] or error("name the file of tokens behind --")
  local parts = tonumber(arguments[2] or 1)
  local line_number = 0
  tokens, place = {}, 0
  for token in io.lines(file) do
    if line_number % parts == number % parts then tokens[#tokens + 1] = token end
    line_number = line_number + 1
  end
  if #tokens == 0 then error(file .. " has no token for thread " .. number) end
  token_count = #tokens
  -- One request with a hole: putting a token in is cheaper than formatting the request anew.
  wrk.headers["Authorization"] = "Bearer @TOKEN@"
  local request = wrk.format()
  local from, to = request:find("@TOKEN@", 1, true)
  before, behind = request:sub(1, from - 1), request:sub(to + 1)
  sent = 0
end

function request()
  place = place % #tokens + 1
  sent = sent + 1
  return before .. tokens[place] .. behind
end

-- Runs when the threads have ended.
function done(summary)
  local tokens_of_all, sent_by_all = 0, 0
  for _, thread in ipairs(threads) do
    tokens_of_all = tokens_of_all + thread:get("token_count")
    sent_by_all = sent_by_all + thread:get("sent")
  end
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("answers          %d, of which %d are refusals or errors (%.2f %%)",
    summary.requests, errors.status, 100 * errors.status / math.max(summary.requests, 1)))
  print(string.format("broken requests  %d", broken))
  print(string.format("each token sent  %.2f times", sent_by_all / tokens_of_all))
end
