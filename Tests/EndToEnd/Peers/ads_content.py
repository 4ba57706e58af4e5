"""What is wrong in a response, a function each, with a scene of ads_faults.py: one data plane that has to live with it."""

from google.protobuf.any_pb2 import Any

from ads_resources import URLS, cluster, endpoints, listener, pack, routes, secret


async def duplicates(s):
    """A name twice in one response: it is refused, and the next is taken."""
    await s.serve()
    s.load()
    s.put_cluster("two")
    for kind in ("cluster", "endpoints", "routes", "listener"):
        await s.push(kind, repeated=2)
        await s.still(5)
    await s.push("cluster", version="again", resources=list(s.world["cluster"].items()))
    await s.asks("endpoints", "two")
    s.put(routes("main", "two"))
    await s.push("routes")
    await s.sees("200 two ok")
    await s.settle()


async def invalid_field_among_valid(s):
    """A cluster whose field is out of its bounds, beside a new one."""
    await s.serve()
    s.load()
    s.put_cluster("two")
    s.put(cluster("bad", timeout="-1s"))
    await s.push("cluster")
    await s.still()
    s.drop("cluster", "bad")
    s.put(cluster("one", timeout="2s"))
    await s.push("cluster")
    await s.settle()


async def invalid_field_uses_the_rest(s):
    """What is in the same response as a refused one."""
    await s.serve()
    s.put_cluster("two")
    s.put(cluster("bad", timeout="-1s"))
    await s.push("cluster")
    s.put(routes("main", "two"))
    await s.push("routes")
    await s.still()
    s.drop("cluster", "bad")
    s.put(cluster("two", timeout="2s"))
    await s.push("cluster")
    await s.sees("200 two ok")


async def invalid_meaning_among_valid(s):
    """A cluster that makes no sense, beside a new one, which is used."""
    await s.serve()
    s.load()
    s.put_cluster("two")
    s.put(cluster("bad", lb_policy="RING_HASH", ring_hash_lb_config={"minimum_ring_size": 1000, "maximum_ring_size": 10}))
    # Envoy 1.40 never tells that it refuses it, and answers no response with clusters after that.
    s.stream.push("cluster")
    await s.asks("endpoints", "two")
    s.put(routes("main", "two"))
    await s.push("routes")
    await s.sees("200 two ok")
    await s.settle()


async def invalid_listener_among_valid(s):
    """A listener that cannot be, beside a change of one that can."""
    await s.serve()
    s.load()
    s.put_cluster("two")
    await s.push("cluster")
    s.put(routes("later", "two"), listener("public", s.port, "later"))
    s.put(pack("listener", {"name": "bad", "address": {"socket_address": {"address": "no address", "port_value": 1}}}))
    await s.push("listener")
    await s.sees("200 two ok")
    await s.settle()


async def invalid_routes(s):
    """Refused, and what was before serves on."""
    await s.serve()
    s.load()
    before = s.world["routes"]["main"]
    host = {"name": "all", "domains": ["*"], "routes": [
        {"match": {"safe_regex": {"regex": "("}}, "route": {"cluster": "one"}}]}
    s.put(pack("routes", {"name": "main", "virtual_hosts": [host]}))
    await s.push("routes")
    await s.still()
    s.put(("routes", before))
    await s.push("routes", version="mended", resources=[("main", before)])
    await s.still()
    await s.settle()


async def wrong_type_within(s):
    """A listener among clusters."""
    await s.serve()
    s.load()
    await s.push("cluster", resources=[*s.world["cluster"].items(), *s.world["listener"].items()])
    await s.still()
    s.put(cluster("one", timeout="2s"))
    await s.push("cluster")
    await s.settle()


async def unreadable_resource(s):
    """Bytes that are no cluster, beside those that are."""
    await s.serve()
    s.load()
    broken = Any(type_url=URLS["cluster"], value=b"\xff\xff\xff\xff")
    await s.push("cluster", resources=[*s.world["cluster"].items(), ("broken", broken)])
    await s.still()
    s.put(cluster("one", timeout="2s"))
    await s.push("cluster")
    await s.settle()


async def nothing_asked_for(s):
    """Types that nobody knows, and one that was not asked for."""
    await s.serve()
    s.load()
    odd = [
        s.stream.push("cluster", url="type.googleapis.com/envoy.config.cluster.v9.Cluster", nonce="odd"),
        s.stream.push("cluster", url="", nonce="none"),
        s.stream.push("secret", resources=[("key", secret("key")[1])]),
    ]
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.push("endpoints")
    await s.sees("200 two ok")
    s.tell(f"odd {[push.verdict for push in odd]}, {s.opened} stream")
    await s.settle()


async def unknown_names(s):
    """Endpoints and routes that nobody asked for, beside those that somebody did."""
    await s.serve()
    s.load()
    s.put(endpoints("one", [s.upstreams["two"]]))
    more = [("else", endpoints("else", [1])[1])]
    await s.push("endpoints", resources=[*s.world["endpoints"].items(), *more])
    await s.sees("200 two ok")
    await s.settle()
