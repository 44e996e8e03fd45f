"""The side-by-side of Portcullis with nginx, HAProxy and Envoy. `benches/compare/run --help` tells how; docs/benchmarks.md why."""
