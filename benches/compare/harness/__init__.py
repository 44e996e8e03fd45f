"""The side-by-side of Portcullis with nginx, HAProxy and Envoy: docs/benchmarks.md tells how it measures, and why."""
