bin_PROGRAMS += fanfare
fanfare_SOURCES = \
	src/fanfare/args.c \
	src/fanfare/args.h \
	src/fanfare/complain.c \
	src/fanfare/complain.h \
	src/fanfare/help.c \
	src/fanfare/main.c \
	src/fanfare/store.c \
	src/fanfare/store.h
fanfare_LDADD = $(below_7) $(SYSTEMD_LIBS)
