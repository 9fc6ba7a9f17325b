# The raw limit: what plain sockets give.
check_PROGRAMS += bench-raw
bench_raw_SOURCES = \
	bench/raw/fault.c \
	bench/raw/main.c \
	bench/raw/raw.h
bench_raw_LDADD =
