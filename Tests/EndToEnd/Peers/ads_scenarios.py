"""What goes wrong in time, a function each, with a scene of ads_faults.py: one data plane that has to live with it."""

import asyncio
import os

import grpc

from ads_resources import cluster, endpoints, listener, routes

MANY = int(os.environ.get("MARTLET_CLUSTERS", "1000"))


async def overlapping_responses(s):
    """Several are sent before the first is answered: the last is answered, and in force."""
    await s.serve()
    s.load()
    stream = await s.connected()
    for seconds in (2, 3, 4):
        s.put(cluster("one", timeout=f"{seconds}s"))
        last = stream.push("cluster")
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.push("endpoints")
    s.tell(f"cluster {await last.answered()}")
    await s.sees("200 two ok")
    await s.settle()


async def stale_nonces(s):
    """A nonce that was used before, and none."""
    await s.serve()
    s.load()
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.push("endpoints", nonce="1")
    await s.sees("200 two ok")
    s.put(endpoints("one", [s.upstreams["one"]]))
    stream = await s.connected()
    stream.push("endpoints", nonce="")
    await s.sees("200 one ok")
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.push("endpoints")
    await s.sees("200 two ok")
    await s.settle()


async def empty_versions(s):
    """Twice the same version, which is none."""
    await s.serve()
    s.load()
    for word in ("two", "one"):
        s.put(endpoints("one", [s.upstreams[word]]))
        await s.push("endpoints", version="")
        await s.sees(f"200 {word} ok")
    await s.push("cluster", version="")
    await s.still()
    await s.settle()


async def endpoints_withheld_at_first(s):
    """Nobody is let in before there is an endpoint."""
    s.held.add("endpoints")
    s.put_cluster("one")
    s.put(routes("main", "one"), listener("public", s.port))
    await s.start()
    await s.asks("endpoints", "one")
    await s.still(50)
    s.release("endpoints")
    await s.sees("200 one ok")


async def clusters_withheld_at_first(s):
    """Listeners would be there, and are not opened yet."""
    s.held.add("cluster")
    s.put_cluster("one")
    s.put(routes("main", "one"), listener("public", s.port))
    await s.start()
    await s.asks("cluster", "*")
    await s.still(50)
    s.release("cluster")
    await s.sees("200 one ok")


async def routes_withheld_at_first(s):
    s.held.add("routes")
    s.put_cluster("one")
    s.put(routes("main", "one"), listener("public", s.port))
    await s.start()
    await s.asks("routes", "main")
    await s.still(50)
    s.release("routes")
    await s.sees("200 one ok")


async def endpoints_missing_at_first(s):
    """Of a cluster it is said, by delta, that there are no endpoints."""
    s.put(cluster("one"), routes("main", "one"), listener("public", s.port))
    await s.start()
    await s.asks("endpoints", "one")
    if s.is_delta:
        s.stream.push("endpoints", resources=[], removed=["one"])
    else:
        s.stream.push("endpoints", resources=[endpoints("one", [])])
    await s.sees("503")
    s.put(endpoints("one", [s.upstreams["one"]]))
    await s.push("endpoints")
    await s.sees("200 one ok")


async def endpoints_withheld(s):
    """A changed cluster and a new one wait: what serves goes on."""
    await s.serve()
    s.load()
    s.held.add("endpoints")
    s.put(cluster("one", timeout="2s"))
    s.put_cluster("two")
    await s.push("cluster")
    await s.asks("endpoints", "two")
    await s.still()
    s.release("endpoints")
    await s.sees("200 one ok")
    s.put(routes("main", "two"))
    await s.push("routes")
    await s.sees("200 two ok")
    await s.settle()


async def routes_withheld(s):
    """The changed listener waits for its routes, and the one before serves."""
    await s.serve()
    s.load()
    s.held.add("routes")
    s.put_cluster("two")
    await s.push("cluster")
    s.put(routes("later", "two"), listener("public", s.port, "later"))
    await s.push("listener")
    await s.asks("routes", "later")
    await s.still()
    s.release("routes")
    await s.sees("200 two ok")
    await s.settle()


async def reverse_order(s):
    """Listeners, routes, clusters, endpoints: the route leads to nothing until the end."""
    await s.serve()
    s.held.add("endpoints")
    s.put(routes("new", "two"), listener("public", s.port, "new"))
    await s.push("listener")
    await s.sees("503")
    s.put(cluster("two"))
    await s.push("cluster")
    await s.asks("endpoints", "two")
    await s.still()
    s.put(endpoints("two", [s.upstreams["two"]]))
    s.release("endpoints")
    await s.sees("200 two ok")


async def reset_between_types(s):
    """Of a push only the clusters have come."""
    await s.serve()
    s.load()
    opened = s.opened
    s.held.add("endpoints")
    s.put_cluster("two")
    await s.push("cluster")
    await s.asks("endpoints", "two")
    s.stream.outgoing.put_nowait(grpc.StatusCode.INTERNAL)
    s.held.clear()
    await s.connected(after=opened)
    s.put(routes("main", "two"))
    await s.push("routes")
    await s.sees("200 two ok")
    await s.settle()


async def cut_within_a_message(s):
    """The connection breaks in the middle of a response."""
    await s.serve()
    s.load()
    opened = s.opened
    for number in range(500):
        s.put(cluster(f"other-{number}"), endpoints(f"other-{number}", [s.upstreams["one"]]))
    s.put_cluster("two")
    s.relay.cut_after = 20_000
    s.stream.push("cluster")
    await s.connected(after=opened)
    await s.still()
    await s.asks("endpoints", "two")
    s.put(routes("main", "two"))
    await s.push("routes")
    await s.sees("200 two ok")
    await s.settle()


async def goaway(s):
    """The server says that it goes, pushes once more, and is gone."""
    await s.serve()
    s.load()
    opened, server = s.opened, s.server
    await s.start_server()
    ending = asyncio.ensure_future(server.stop(3))
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.push("endpoints")
    await s.sees("200 two ok")
    await ending
    await s.connected(after=opened)
    s.put(endpoints("one", [s.upstreams["one"]]))
    await s.push("endpoints")
    await s.sees("200 one ok")
    await s.settle()


async def unavailable(s):
    """Streams end at once, for a while."""
    await s.serve()
    s.load()
    opened = s.opened
    s.is_unavailable = True
    s.stream.outgoing.put_nowait(grpc.StatusCode.UNAVAILABLE)
    while s.opened < opened + 3:
        await asyncio.sleep(0.05)
    await s.still()
    s.is_unavailable = False
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.connected(after=opened + 3)
    await s.sees("200 two ok")
    await s.settle()


async def clusters_go_and_come(s):
    await s.serve()
    cluster_one = s.world["cluster"]["one"]
    s.drop("cluster", "one")
    await s.push("cluster")
    await s.sees("503")
    s.put(("cluster", cluster_one))
    await s.push("cluster")
    await s.sees("200 one ok")


async def listeners_go_and_come(s):
    await s.serve()
    public = s.world["listener"]["public"]
    s.drop("listener", "public")
    await s.push("listener")
    await s.sees("refused")
    s.put(("listener", public))
    await s.push("listener")
    await s.sees("200 one ok")


async def all_at_once_go_and_come(s):
    """A control plane that has lost all it knew, and finds it again."""
    await s.serve()
    clusters, listeners = dict(s.world["cluster"]), dict(s.world["listener"])
    s.world["cluster"].clear()
    s.world["listener"].clear()
    s.version += 1
    await s.push("listener")
    await s.push("cluster")
    await s.sees("refused")
    s.world["cluster"].update(clusters)
    s.world["listener"].update(listeners)
    s.version += 1
    await s.push("cluster")
    await s.push("listener")
    await s.sees("200 one ok")


async def removed_in_use(s):
    """Endpoints and routes of which is said that they are no more, though they are used: only delta can."""
    await s.serve()
    s.load()
    if s.is_delta:
        await s.push("endpoints", resources=[], removed=["one"])
        await s.still()
        await s.push("routes", resources=[], removed=["main"])
        await s.still()
    else:
        await s.push("endpoints", resources=[])
        await s.push("routes", resources=[])
        await s.still()
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.push("endpoints")
    await s.sees("200 two ok")
    await s.settle()


async def endpoints_emptied(s):
    """A cluster without endpoints, which get there again."""
    await s.serve()
    s.put(endpoints("one", []))
    await s.push("endpoints")
    await s.sees("503")
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.push("endpoints")
    await s.sees("200 two ok")


async def slow_server(s):
    """A response that comes in small pieces."""
    await s.serve()
    s.load()
    for number in range(300):
        s.put(cluster(f"other-{number}"), endpoints(f"other-{number}", [s.upstreams["one"]]))
    s.put_cluster("two")
    s.relay.pace = 100
    await s.push("cluster")
    s.put(routes("main", "two"))
    await s.push("routes")
    await s.sees("200 two ok")
    s.relay.pace = None
    await s.settle()


async def many_clusters(s):
    """So many clusters; one of them changes, and what it does can be seen."""
    s.put_cluster("one")
    for number in range(MANY - 1):
        s.put(cluster(f"other-{number}"), endpoints(f"other-{number}", [s.upstreams["two"]]))
    s.put(routes("main", "one"), listener("public", s.port))
    await s.start()
    await s.sees("200 one ok")
    s.load()
    s.put(endpoints("one", [s.upstreams["two"]]))
    await s.push("endpoints")
    await s.sees("200 two ok")
    s.put(cluster("one", timeout="2s"))
    await s.push("cluster")
    s.put(routes("main", f"other-{MANY - 2}"), endpoints(f"other-{MANY - 2}", [s.upstreams["one"]]))
    await s.push("endpoints")
    await s.push("routes")
    await s.sees("200 one ok")
    await s.settle()
