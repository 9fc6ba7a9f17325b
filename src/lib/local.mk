noinst_LTLIBRARIES += src/lib/libff-lib.la
src_lib_libff_lib_la_SOURCES = \
	src/lib/accept.c \
	src/lib/deliveries.c \
	src/lib/durable.c \
	src/lib/durable.h \
	src/lib/events.c \
	src/lib/gateway.c \
	src/lib/gateway.h \
	src/lib/listener.c \
	src/lib/listener.h \
	src/lib/options_api.c \
	src/lib/publish_api.c \
	src/lib/shard.c \
	src/lib/store_api.c \
	src/lib/tidy.c \
	src/lib/tidy.h
