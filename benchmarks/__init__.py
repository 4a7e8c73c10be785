"""What trioex costs, beside its peers: `python -m benchmarks`, or one module of it alone.

    frames        frames a second through the socket, plain and TLS
    typed         wire to typed message, Gate.io JSON and MEXC protobuf
    peers         wire to typed message beside cryptofeed and ccxt pro, each whole
    routing       from a frame to its handler, no socket
    hop           through the memory channel to the router
    latency       wire to handler at 1000 messages a second
    binding       bind, before running and against a simulated exchange
    memory        a connection with 30 bindings
    connecting    connect, TLS and subscribe; from a lost connection to the next message
    reconnect     from a lost connection to the next message: cold, standby, hot
    instrumentation  the price of measuring latency
    pauses        the slowest frames beside a large heap, and what gc.freeze does about them
    book          from a delta to both best prices, books of 100 to 5000 levels
    log_record    a note on the hot path, beside a QueueHandler
    wire_to_book  from the bytes of a recorded frame to the best prices of its book

The rules: the server is a process of its own that writes prebuilt bytes; every contender is a
process of its own that reads the same bytes from it; contenders take turns (A B C A B C ...),
and a ratio is taken within one turn, so that a noisy machine disturbs both sides of it.
"""
