# The generator of load.
check_PROGRAMS += bench-load
bench_load_SOURCES = \
	bench/load/args.c \
	bench/load/args.h \
	bench/load/bench.h \
	bench/load/buf.c \
	bench/load/buf.h \
	bench/load/check.c \
	bench/load/client.c \
	bench/load/client.h \
	bench/load/clock.c \
	bench/load/clock.h \
	bench/load/cmd_ingest.c \
	bench/load/cmd_latency.c \
	bench/load/cmd_post.c \
	bench/load/cmd_replay.c \
	bench/load/cmd_resume.c \
	bench/load/cmd_stall.c \
	bench/load/cmd_storm.c \
	bench/load/cmd_window.c \
	bench/load/codec.c \
	bench/load/commands.c \
	bench/load/commands.h \
	bench/load/dialect.h \
	bench/load/dialect_centrifuge.c \
	bench/load/dialect_fanfare.c \
	bench/load/dialect_nats.c \
	bench/load/dialect_nchan.c \
	bench/load/dialect_node.c \
	bench/load/dialect_pushpin.c \
	bench/load/dialect_raw.c \
	bench/load/dialects.c \
	bench/load/dialects.h \
	bench/load/histogram.c \
	bench/load/histogram.h \
	bench/load/loop.c \
	bench/load/loop.h \
	bench/load/main.c \
	bench/load/messages.c \
	bench/load/messages.h \
	bench/load/peers.c \
	bench/load/peers.h \
	bench/load/publisher.c \
	bench/load/publisher.h \
	bench/load/report.c \
	bench/load/report.h
bench_load_LDADD =
