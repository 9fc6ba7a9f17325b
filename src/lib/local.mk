noinst_LTLIBRARIES += src/lib/libff-lib.la
src_lib_libff_lib_la_SOURCES = \
	src/lib/accept.c \
	src/lib/admit.c \
	src/lib/admit.h \
	src/lib/application.c \
	src/lib/auth_api.c \
	src/lib/certificates.c \
	src/lib/certificates.h \
	src/lib/deliveries.c \
	src/lib/durable.c \
	src/lib/durable.h \
	src/lib/entry.c \
	src/lib/entry.h \
	src/lib/events.c \
	src/lib/gateway.c \
	src/lib/gateway.h \
	src/lib/listener.c \
	src/lib/listener.h \
	src/lib/options_api.c \
	src/lib/people.c \
	src/lib/people.h \
	src/lib/publish_api.c \
	src/lib/pump.c \
	src/lib/pump.h \
	src/lib/recheck.c \
	src/lib/remote.c \
	src/lib/remote.h \
	src/lib/shard.c \
	src/lib/store_api.c \
	src/lib/tidy.c \
	src/lib/tidy.h \
	src/lib/token_api.c \
	src/lib/webhooks.c \
	src/lib/webhooks.h
