// A fixed rate, each request with the next token of a file, one token a line: docs/load-testing.md.
//
//   k6 run -e TOKENS=/tmp/load/tokens -e RATE=5000 -e DURATION=30s -e URL=http://127.0.0.1:8080/ benches/load/k6.js
import http from 'k6/http';
import exec from 'k6/execution';
import { SharedArray } from 'k6/data';
import { Counter } from 'k6/metrics';

const url = __ENV.URL || 'http://127.0.0.1:8080/';
const rate = Number(__ENV.RATE || 1000);

// Read once for all virtual users, not once for each.
const tokens = new SharedArray('tokens', () =>
  open(__ENV.TOKENS).split('\n').filter((line) => line !== ''),
);

const refused = new Counter('refused');

export const options = {
  discardResponseBodies: true,
  insecureSkipTLSVerify: __ENV.INSECURE === '1',
  scenarios: {
    load: {
      // Open: requests begin when they are due, whether or not the ones before have ended.
      executor: 'constant-arrival-rate',
      rate,
      timeUnit: '1s',
      duration: __ENV.DURATION || '30s',
      preAllocatedVUs: Number(__ENV.VUS || 200),
      maxVUs: Number(__ENV.MAX_VUS || 2000),
    },
  },
  thresholds: {
    // A request that k6 had no virtual user for was never sent: the rate was not kept, and the figures do not count.
    dropped_iterations: ['count==0'],
    http_req_failed: ['rate==0'],
  },
};

// Refusals are answers: a mix with bad tokens is meant to have them. Everything else is a fault.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }, 401, 403, 429));

export default function () {
  const token = tokens[exec.scenario.iterationInTest % tokens.length];
  const response = http.get(url, { headers: { Authorization: `Bearer ${token}` } });
  if (response.status >= 400) {
    refused.add(1, { status: String(response.status) });
  }
}
