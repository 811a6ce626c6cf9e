# Compiles the same small sources in every way in which compilers record how they were called.
set -u
export SOURCE_DATE_EPOCH=86400 LC_ALL=C

# Optimisation, debugging information, what the compiler says of its own options.
for flags in -O0 -O1 -O2 -O3 -Os -Ofast -g '-g -O2' -g3 -gdwarf-4 -ggdb -gsplit-dwarf -grecord-gcc-switches \
    -frecord-gcc-switches -fverbose-asm -fPIC -fpie -pg --coverage -fstack-protector-strong \
    -D_FORTIFY_SOURCE=3 -fsanitize=undefined -fopenmp -std=c99 -ansi -pipe -funwind-tables -march=armv8-a; do
    name=$(echo "$flags" | tr ' =/' '___')
    gcc $flags -c program.c -o "program$name.o"
    g++ ${flags%-std=c99} -c program.cc -o "program-cc$name.o" 2> "program-cc$name.errors" || true
done
gcc -O2 -S -fverbose-asm program.c -o program.s
gcc -save-temps=obj -O2 -c program.c -o saved.o
gcc -E program.c -o program.i
gcc -E -dM program.c -o program.macros
gcc -M program.c -o program.dependencies
gcc -MMD -MP -MF program.d -c program.c -o depends.o
gcc -E -v program.c -o /dev/null 2> verbose.errors
gcc -g -ffile-prefix-map=/src=/elsewhere -c program.c -o mapped.o
gcc -Wall -Wextra -c warnings.c -o warnings.o 2> warnings.errors
gcc -fanalyzer -c warnings.c -o analyzed.o 2> analyzed.errors
gcc -c broken.c 2> broken.errors || true
gcc nowhere.c 2> nowhere.errors || true
gcc -c -nonsense program.c 2> nonsense.errors || true
gcc -ftime-report -c program.c -o timed.o 2> /dev/null
gcc -fdump-tree-optimized -c program.c -o dumped.o
gcc -c assembly.S -o assembly.o
gcc -g -c assembly.S -o assembly-g.o
as program.s -o assembled.o
as -g -al=program.listing program.s -o assembled-g.o

# Linking: dynamic, position-independent, static, shared, with a map, with LTO, stripped.
gcc program.c -lm -o program
gcc -g -O2 program.c -lm -o program-g
gcc -no-pie program.c -lm -o program-no-pie
gcc -static program.c -lm -o program-static
gcc -static-pie program.c -lm -o program-static-pie
gcc -Wl,-Map=program.map program.c -lm -o program-mapped
gcc -Wl,--build-id=sha1,-z,now,--as-needed,--hash-style=both program.c -lm -o program-hardened
gcc -Wl,--gc-sections,-s -ffunction-sections program.c -lm -o program-small
gcc -r program.c assembly.o -o relocatable.o
gcc -shared -fPIC -Wl,-soname,libpart.so.1 part.c -o libpart.so.1
ln -s libpart.so.1 libpart.so
gcc -DUSE_PART program.c -L. -lpart -lm -o program-part
gcc -O2 -flto program.c -lm -o program-lto
gcc -O2 -flto=2 -g program.c part.c -DUSE_PART -lm -o program-lto-g
gcc -O2 -flto -ffat-lto-objects -c part.c -o part-fat.o
gcc -O2 -flto -c part.c -o part-lto.o
gcc-ar rcs libpart-lto.a part-lto.o
gcc -O2 -flto -DUSE_PART program.c libpart-lto.a -lm -o program-lto-archive
gcc -fuse-linker-plugin -O2 program.c -lm -o program-plugin
gcc -lnowhere program.c -o never 2> link.errors || true
gcc -DUSE_PART program.c -lm -o never 2> undefined.errors || true
g++ -O2 program.cc -o program-cc
g++ -g -std=c++23 program.cc -o program-cc-23
g++ -static program.cc -o program-cc-static
g++ -flto -O2 program.cc -o program-cc-lto
g++ -x c++-header header.h -o header.h.gch
g++ -include header.h program.cc -o program-cc-header
ld -r program-O2.o assembly.o -o joined.o
ld -v > ld.version; as --version > as.version; gcc --version > gcc.version; g++ -dumpmachine > gcc.machine
gcc -print-search-dirs > gcc.directories; gcc -print-file-name=libc.so > gcc.file; gcc -### program.c 2> gcc.steps
gcc -Q --help=target > gcc.target; ld --verbose > ld.script

# What the driver alone knows: other headers, libraries and linkers, accelerators, files of arguments.
mkdir -p headers libraries own
echo '#define MARK 1' > headers/stddef.h
printf '#include <stddef.h>\nint mark = MARK;\n' > marked.c
gcc -isystem headers -E marked.c -o marked-isystem.i
C_INCLUDE_PATH=headers gcc -E marked.c -o marked-path.i
printf 'int part(int number) { return number; }\n' | gcc -x c -c - -o libraries/part.o
ar rcs libraries/libpart.a libraries/part.o
LIBRARY_PATH=libraries gcc -DUSE_PART program.c -lpart -lm -o program-library-path
gcc -g -O2 program.c -l m -o program-spaced
gcc -lm -g program.c -lm -O1 -lm -o program-thrice
gcc -fopenmp program.c -lm -o program-openmp
echo '-g -O2 program.c -lm' > arguments
gcc @arguments -o program-arguments
printf '#!/bin/sh\necho "${0##*/}" $# >> own.log\nexec /usr/bin/"${0##*/}" "$@"\n' > own/ld
chmod 755 own/ld
cp own/ld own/as
PATH=$PWD/own:$PATH gcc program.c -lm -o program-own
COMPILER_PATH=$PWD/own gcc program.c -lm -o program-own-compiler-path
gcc -Bown program.c -lm -o program-own-b
gcc -fuse-ld=bfd program.c -lm -o program-bfd

# The tools around them.
ar rcs libpart.a program-O2.o part-fat.o
ar rcsU libpart-times.a program-O2.o
ranlib libpart.a
nm program > program.symbols
nm -C program-cc > program-cc.symbols
objdump -d program-O2.o > program.disassembly
objdump -dlS program-g > program-g.disassembly
readelf -aW program > program.elf
readelf --debug-dump=info program-g > program-g.dwarf
objcopy --only-keep-debug program-g program-g.debug
objcopy --strip-debug --add-gnu-debuglink=program-g.debug program-g program-g.stripped
objcopy -O binary program program.binary
strip -o program.stripped program
strip --strip-unneeded -o libpart.so.stripped libpart.so.1
size program > program.size
strings -a program > program.strings
addr2line -e program-g 0x800 > program.line 2>&1 || true
c++filt _Z4mainv > program.filtered
./program > program.out
./program-cc > program-cc.out
./program-static > program-static.out
