noinst_LTLIBRARIES += src/proto/libff-proto.la
src_proto_libff_proto_la_SOURCES = \
	src/proto/control.c \
	src/proto/control.h \
	src/proto/cursor.c \
	src/proto/cursor.h \
	src/proto/frame.c \
	src/proto/frame.h \
	src/proto/json.c \
	src/proto/json.h \
	src/proto/json_explain.c \
	src/proto/json_explain.h \
	src/proto/json_node.c \
	src/proto/json_text.c \
	src/proto/name.c \
	src/proto/name.h \
	src/proto/origin.c \
	src/proto/origin.h \
	src/proto/position.c \
	src/proto/position.h \
	src/proto/problem.c \
	src/proto/problem.h \
	src/proto/publish.c \
	src/proto/publish.h \
	src/proto/publish_hash.c \
	src/proto/publish_hash.h \
	src/proto/sse.c \
	src/proto/sse.h \
	src/proto/target.c \
	src/proto/target.h \
	src/proto/wsframe.c \
	src/proto/wsframe.h \
	src/proto/wshandshake.c \
	src/proto/wshandshake.h
