bin_PROGRAMS += fanfare
fanfare_SOURCES = \
	src/fanfare/args.c \
	src/fanfare/args.h \
	src/fanfare/help.c \
	src/fanfare/main.c
fanfare_LDADD = $(below_7) $(SYSTEMD_LIBS)
