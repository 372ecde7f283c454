"""The service: a queue of studies, who may use it, its HTTP routes and pages, and its client."""
