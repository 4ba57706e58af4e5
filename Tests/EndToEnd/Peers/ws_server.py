"""A WebSocket server of the package websockets: sends back what it receives, after a greeting.

    ws_server.py PORT
"""

import asyncio
import sys

import websockets


async def echo(connection):
    await connection.send("welcome to " + connection.path)
    async for message in connection:
        await connection.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), max_size=None, subprotocols=["chat"]):
        await asyncio.Future()


asyncio.run(main())
