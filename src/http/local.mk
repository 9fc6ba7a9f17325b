noinst_LTLIBRARIES += src/http/libff-http.la
src_http_libff_http_la_SOURCES = \
	src/http/broadcast.c \
	src/http/clients_api.c \
	src/http/connection.c \
	src/http/detach.c \
	src/http/detach.h \
	src/http/events.c \
	src/http/guard.c \
	src/http/headers.c \
	src/http/inspect.c \
	src/http/limits.c \
	src/http/limits.h \
	src/http/media.c \
	src/http/playground.c \
	src/http/playground_data.h \
	src/http/publishing.c \
	src/http/publishing.h \
	src/http/request.c \
	src/http/request.h \
	src/http/request_private.h \
	src/http/respond.c \
	src/http/routes.c \
	src/http/selftest.c \
	src/http/server.c \
	src/http/server.h \
	src/http/spares.c \
	src/http/spares.h \
	src/http/stream_query.c \
	src/http/stream_query.h \
	src/http/upgrade.c
