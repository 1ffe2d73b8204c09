"""web3.py against the relay: prints what it sees as JSON. Arguments: URL, then NAME VALUE pairs of headers."""

import json
import sys

from web3 import HTTPProvider, Web3
from web3.exceptions import Web3RPCError

url, *headers = sys.argv[1:]
names = {"Content-Type": "application/json", **dict(zip(headers[::2], headers[1::2]))}
web3 = Web3(HTTPProvider(url, request_kwargs={"headers": names}))

try:
    seen = {"chainId": web3.eth.chain_id, "clientVersion": web3.client_version}
except Web3RPCError as refused:
    seen = {"refused": str(refused)}
seen["connected"] = web3.is_connected()
print(json.dumps(seen))
