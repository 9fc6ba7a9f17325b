#!/usr/bin/env bash
# The checks bite: each kind of fault, seeded into a small tree of its own,
# must be found and named, and the tree without it must pass.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
bad=0 done=0

put() { # path, text on standard input
    mkdir -p "$(dirname "$tree/$1")"
    cat >"$tree/$1"
}

list() { # folder, files
    local folder=$1
    shift
    {
        echo "noinst_LTLIBRARIES += src/$folder/libff-$folder.la"
        printf 'src_%s_libff_%s_la_SOURCES =' "$folder" "$folder"
        printf " \\\\\n\tsrc/$folder/%s" "$@"
        echo
    } | put "src/$folder/local.mk"
}

# Three folders without a fault.
fresh() {
    rm -rf "$tree"
    mkdir -p "$tree/tests/unit" "$tree/script" "$tree/docs"
    cp "$project/script/lists" "$tree/script/"
    put include/fanfare/fanfare.h <<'END'
#ifndef F_H
#define F_H
#define FANFARE_API __attribute__((visibility("default")))
FANFARE_API const char *fanfare_version(void);
FANFARE_API int fanfare_start(int (*hook)(int),
                              int flags);
#endif
END
    put src/base/a.h <<<'int a_one(void);'
    put src/base/a.c <<<$'#include "base/a.h"\nint a_one(void)\n{\n    return 1;\n}'
    put src/base/b.h <<<'int b_two(void);'
    put src/base/b.c <<<$'#include "base/a.h"\n#include "base/b.h"\nint b_two(void)\n{\n    return a_one() + 1;\n}'
    list base a.h a.c b.h b.c
    put src/core/c.h <<<'int c_three(void);'
    put src/core/c.c <<<$'#include "base/b.h"\n#include "core/c.h"\nint c_three(void)\n{\n    return b_two() + 1;\n}'
    list core c.h c.c
    put src/lib/l.c <<<$'#include "core/c.h"\n#include <fanfare/fanfare.h>\nconst char *fanfare_version(void)\n{\n    return "";\n}\nint fanfare_start(int (*hook)(int), int flags)\n{\n    return hook ? flags : c_three();\n}'
    list lib l.c
    put src/fanfare/main.c <<<$'#include <fanfare/fanfare.h>\nint main(void)\n{\n    return fanfare_version() == 0;\n}'
    echo 'fanfare_SOURCES = src/fanfare/main.c' | put src/fanfare/local.mk
    (cd "$tree" && script/lists 2>/dev/null)
}

compile() {
    local source
    for source in "$tree"/src/*/*.c; do
        $cc -w -I "$tree/src" -I "$tree/include" -fvisibility=hidden -fPIC -c "$source" \
            -o "${source%.c}.o"
    done
    $cc -shared "$tree"/src/{base,core,lib}/*.o -o "$tree/libfanfare.so"
}

run() {
    FF_SRCDIR=$tree FF_BUILDDIR=$tree FF_LIBRARY=$tree/libfanfare.so FF_SANITIZED='' \
        bash "$here/$1" >"$work/out" 2>&1
}

passes() {
    done=$((done + 1))
    if ! run "$1"; then
        echo "not ok: $1 finds fault with a clean tree:"
        sed 's/^/    /' "$work/out"
        bad=$((bad + 1))
    fi
}

# Runs the check and expects it to fail with a line that has the text.
finds() {
    done=$((done + 1))
    if run "$1"; then
        echo "not ok: $1 misses: $2"
        bad=$((bad + 1))
    elif ! grep -qF -- "$2" "$work/out"; then
        echo "not ok: $1 fails, but not with: $2"
        sed 's/^/    /' "$work/out"
        bad=$((bad + 1))
    fi
    fresh
}

fresh
compile
for check in layers lists text header calls symbols; do passes check-$check.sh; done

# ---- layers
echo '#include "core/c.h"' >>"$tree/src/base/a.c"
finds check-layers.sh 'src/base is floor 0, src/core is floor 2'
put src/rt/r.h <<<'int r(void);'
echo '#include "rt/r.h"' >>"$tree/src/core/c.c"
finds check-layers.sh 'core knows no reactor'
put src/conf/o.h <<<'int o(void);'
put src/proto/p.c <<<'#include "conf/o.h"'
finds check-layers.sh 'src/proto is floor 1, src/conf is floor 1'
echo '#include "../base/a.h"' >>"$tree/src/core/c.c"
finds check-layers.sh 'no relative paths'
echo '#include "c.h"' >>"$tree/src/core/c.c"
finds check-layers.sh 'write it as "folder/file.h"'
echo '#  include <microhttpd.h>' >>"$tree/src/lib/l.c"
finds check-layers.sh '<microhttpd.h> belongs to: http'
echo '#include <wslay/wslay.h>' >>"$tree/src/lib/l.c"
finds check-layers.sh '<wslay/wslay.h> belongs to: ws'
echo '#include <yajl/yajl_parse.h>' >>"$tree/src/base/a.c"
finds check-layers.sh '<yajl/yajl_parse.h> belongs to: proto'
echo '#include <systemd/sd-daemon.h>' >>"$tree/src/lib/l.c"
finds check-layers.sh '<systemd/sd-daemon.h> belongs to: fanfare'
echo '#include "base/a.h"' >>"$tree/src/fanfare/main.c"
finds check-layers.sh 'uses <fanfare/fanfare.h> and nothing else'
echo '#include <fanfare/fanfare.h>' >>"$tree/src/core/c.h"
finds check-layers.sh '<fanfare/fanfare.h> belongs to: lib'
for header in pthread.h sys/socket.h sys/epoll.h; do
    echo "#include <$header>" >>"$tree/src/core/c.c"
    finds check-layers.sh 'core knows no socket and no thread'
done
put src/attic/x.c <<<'int x;'
finds check-layers.sh 'src/attic has no floor'

# ---- lists
put src/base/stray.c <<<'int stray;'
finds check-lists.sh 'src/base/stray.c is not in src/base/local.mk'
put src/base/stray.h <<<'int stray;'
finds check-lists.sh 'src/base/stray.h is not in src/base/local.mk'
put bench/load/stray.c <<<'int stray;'
finds check-lists.sh 'bench/load/stray.c: its folder has no local.mk'
rm "$tree/src/base/b.c"
finds check-lists.sh 'names src/base/b.c, which does not exist'
put tests/unit/test_base_new.c <<<'int x;'
finds check-lists.sh 'run script/lists'

# ---- text
seq 601 | sed 's,.*,/* & */,' >"$tree/src/base/a.c"
finds check-text.sh 'src/base/a.c: 601 lines, more than 600'
printf '\tint x;\n' >>"$tree/src/base/a.c"
finds check-text.sh 'a tab'
echo 'int x; ' >>"$tree/src/base/a.c"
finds check-text.sh "white space at the line's end"
echo "/* TO""DO: later */" >>"$tree/src/base/a.h"
finds check-text.sh 'a note to self'
echo "FIX""ME" >"$tree/docs/x.md"
finds check-text.sh 'a note to self'
printf 'int y;' >>"$tree/src/base/a.c"
finds check-text.sh 'no line feed at the end'
printf 'int y;\r\n' >>"$tree/src/base/a.c"
finds check-text.sh 'a carriage return'

# ---- the public header
echo 'size_t fanfare_more(void);' >>"$tree/include/fanfare/fanfare.h"
finds check-header.sh 'does not compile as c99'
echo 'struct fanfare_x { int new; };' >>"$tree/include/fanfare/fanfare.h"
finds check-header.sh 'does not compile as C++11'
echo 'struct fanfare_twice { int x; };' >>"$tree/include/fanfare/fanfare.h"
finds check-header.sh 'does not compile as c99'

# ---- calls
put src/base/a.c <<<$'int c_three(void);\nint a_one(void)\n{\n    return c_three();\n}'
compile
finds check-calls.sh 'src/base/a.c calls c_three of src/core/c.c: src/base is floor 0'
put src/base/a.c <<<$'#include "base/b.h"\nint a_one(void)\n{\n    return b_two();\n}'
compile
finds check-calls.sh 'call each other in a circle'
put src/fanfare/main.c <<<$'int c_three(void);\nint main(void)\n{\n    return c_three();\n}'
compile
finds check-calls.sh 'src/fanfare uses <fanfare/fanfare.h>'
put src/core/c.c <<<$'long time(long *);\nint c_three(void)\n{\n    return (int)time(0);\n}'
compile
finds check-calls.sh 'src/core/c.c calls time'
finds check-calls.sh 'no object for it'

# ---- fuzz
fuzz_tree() {
    mkdir -p "$tree/fuzz/corpus/base_a" "$tree/fuzz/dict"
    put fuzz/base_a.c <<<'int x;'
    put fuzz/README.md <<<'| `base_a` | a | b |'
    put fuzz/corpus/base_a/one <<<'x'
    (cd "$tree" && script/lists 2>/dev/null)
}
fuzz_tree
passes check-fuzz.sh
rm "$tree/fuzz/corpus/base_a/one"
finds check-fuzz.sh 'fuzz/corpus/base_a is empty'
fuzz_tree
for i in {1..61}; do echo >"$tree/fuzz/corpus/base_a/$i"; done
finds check-fuzz.sh 'more than 60'
fuzz_tree
put fuzz/base_b.c <<<'int x;'
put fuzz/corpus/base_b/one <<<'x'
finds check-fuzz.sh 'fuzz/base_b.c is not replayed'
fuzz_tree
put fuzz/corpus/base_c/one <<<'x'
finds check-fuzz.sh 'fuzz/corpus/base_c belongs to no target'

# ---- symbols
echo 'FANFARE_API int fanfare_absent(void);' >>"$tree/include/fanfare/fanfare.h"
compile
finds check-symbols.sh 'fanfare_absent is declared in fanfare.h and not exported'
put src/base/a.c <<<$'__attribute__((visibility("default"))) int a_one(void)\n{\n    return 1;\n}'
compile
finds check-symbols.sh 'a_one is exported and not declared'

# ---- the documents: over copies of the real ones
real_docs() {
    local folder
    for folder in src/stat src/http src/proto src/ws docs; do
        mkdir -p "$tree/$folder"
        cp "$project/$folder"/*.* "$tree/$folder/"
    done
}
real_docs
passes check-docs.sh
sed -i '/fanfare_sends_total/d' "$tree/docs/metrics.md"
finds check-docs.sh 'docs/metrics.md differs'
real_docs
sed -i 's/`bad_framing`//' "$tree/docs/protocol.md"
finds check-docs.sh 'does not have the code bad_framing'

if [ "$bad" -gt 0 ]; then
    echo "selftest.sh: $bad of $done went wrong"
    exit 1
fi
echo "selftest.sh: $done seeded trees, all judged right"
