noinst_LTLIBRARIES += src/stat/libff-stat.la
src_stat_libff_stat_la_SOURCES = \
	src/stat/metrics.c \
	src/stat/metrics.def \
	src/stat/metrics.h
