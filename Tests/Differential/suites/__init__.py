"""Every suite: its name and what makes its sites."""

from suites import authz, basics, choices, coding, cors, defaults, failures, faults, grpc, headers, jwt, limits, paths, retries, rules, tables

SUITES = {
    "basics": basics.sites,
    "routes": tables.sites,
    "choices": choices.sites,
    "paths": paths.sites,
    "defaults": defaults.sites,
    "headers": headers.sites,
    "failures": failures.sites,
    "retries": retries.sites,
    "cors": cors.sites,
    "faults": faults.sites,
    "rules": rules.sites,
    "jwt": jwt.sites,
    "limits": limits.sites,
    "coding": coding.sites,
    "authz": authz.sites,
    "grpc": grpc.sites,
}
