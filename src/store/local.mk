noinst_LTLIBRARIES += src/store/libff-store.la
src_store_libff_store_la_SOURCES = \
	src/store/begin.c \
	src/store/check.c \
	src/store/compact.c \
	src/store/db.c \
	src/store/db.h \
	src/store/envelope.c \
	src/store/envelope.h \
	src/store/export.c \
	src/store/import.c \
	src/store/import.h \
	src/store/import_line.c \
	src/store/load.c \
	src/store/lost.c \
	src/store/lost.h \
	src/store/path.c \
	src/store/path.h \
	src/store/queue.c \
	src/store/queue.h \
	src/store/schema.c \
	src/store/schema.h \
	src/store/store.c \
	src/store/store.h \
	src/store/store_private.h \
	src/store/tool.c \
	src/store/tool.h \
	src/store/txn.c \
	src/store/txn.h \
	src/store/writer.c
