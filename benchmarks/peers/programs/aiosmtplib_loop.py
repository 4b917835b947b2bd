"""Send mail by a plain loop over ``aiosmtplib``: ``PORT CONNECTIONS MAILS BYTES``; prints the seconds that it took."""

import asyncio
import sys
import time

import aiosmtplib
import uvloop


async def _send(port: int, mails: int, text: bytes) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for n in range(mails):
            await client.sendmail("from@example.org", [f"to{n}@example.org"], text)


async def _fill(port: int, connections: int, mails: int, size: int) -> float:
    text = b"Subject: peer\r\n\r\n" + (b"y" * 70 + b"\r\n") * (size // 72)
    started = time.perf_counter()
    await asyncio.gather(*(_send(port, mails // connections + (n < mails % connections), text) for n in range(connections)))
    return time.perf_counter() - started


if __name__ == "__main__":
    print(uvloop.run(_fill(*map(int, sys.argv[1:]))))
