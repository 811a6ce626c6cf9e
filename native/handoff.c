/* handoff: gives the exec of a foreign program to its native counterpart, or lets QEMU run it.
 *
 * This code is put in front of a static QEMU: it becomes the entry point of a copy of QEMU
 * that is registered in binfmt_misc with the flags F, P and O (through C). For every exec of
 * a foreign program the kernel starts it with
 *
 *     argv = { interpreter, path of the program, its argv[0], its arguments … }
 *
 * and the open program in AT_EXECFD. If the table names a counterpart for that very file, and
 * nothing in the arguments or the environment speaks against it, the counterpart is executed
 * through its own loader. In every other case it jumps to QEMU's own entry point with the
 * stack as the kernel made it: QEMU cannot tell that anybody was there before.
 *
 * A program is recognised by what it is (device, inode, size, time of last change), not by
 * what it is called: no path, link, chroot or renaming changes that, and a file that was
 * altered in any way is not in the table any more.
 *
 * A step may install programs while it runs. So a program that is not in the table is asked
 * for by its path, over a socket; whoever wrote the table writes it anew if that is worth it.
 *
 * No C library: the code has no data, needs no relocation, and may be mapped anywhere.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include "handoff.h"

#define TABLE_PATH "/dev/.amphora/table"
#define LOG_PATH "/dev/.amphora/log"
#define ASK_PATH "/dev/.amphora/ask"
#define PRELOAD_PATH "/etc/ld.so.preload"

#define LONGEST_NAME 255
#define LONGEST_PATH 4096

/* An answer may take as long as fetching a package does. */
#define PATIENCE_SECONDS 600

typedef uint64_t word;

/* --- the kernel ------------------------------------------------------------------------ */

#if defined(__x86_64__)
static inline long kernel(long number, word a, word b, word c, word d, word e, word f)
{
    register word r10 __asm__("r10") = d;
    register word r8 __asm__("r8") = e;
    register word r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* The stack pointer is the only thing QEMU's start code looks at; rdx must be 0. */
__asm__(".section .text.start,\"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "    mov %rsp, %rdi\n"
        "    mov %rsp, %rbx\n"
        "    and $-16, %rsp\n"
        "    call handoff\n"
        "    mov %rbx, %rsp\n"
        "    xor %edx, %edx\n"
        "    xor %ebp, %ebp\n"
        "    jmp *%rax\n");
#elif defined(__aarch64__)
static inline long kernel(long number, word a, word b, word c, word d, word e, word f)
{
    register word x8 __asm__("x8") = number;
    register word x0 __asm__("x0") = a;
    register word x1 __asm__("x1") = b;
    register word x2 __asm__("x2") = c;
    register word x3 __asm__("x3") = d;
    register word x4 __asm__("x4") = e;
    register word x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

__asm__(".section .text.start,\"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "    mov x0, sp\n"
        "    mov x19, sp\n"
        "    bl handoff\n"
        "    mov x16, x0\n"
        "    mov sp, x19\n"
        "    mov x0, xzr\n"
        "    mov x29, xzr\n"
        "    mov x30, xzr\n"
        "    br x16\n");
#else
#error "handoff has no start code for this CPU"
#endif

/* --- text ------------------------------------------------------------------------------- */

static word length(const char *text)
{
    word count = 0;
    while (text[count])
        count++;
    return count;
}

static int equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int begins(const char *text, const char *prefix)
{
    while (*prefix && *text == *prefix)
        text++, prefix++;
    return !*prefix;
}

static const char *after_last_slash(const char *path)
{
    const char *name = path;
    for (; *path; path++)
        if (*path == '/')
            name = path + 1;
    return name;
}

/* --- the environment -------------------------------------------------------------------- */

/* Variables that change which code a program loads: what QEMU would do with them, a program
 * for another CPU cannot. */
static int changes_loading(const char *variable)
{
    return begins(variable, "LD_") || begins(variable, "GCONV_PATH=") ||
           begins(variable, "QEMU_") || begins(variable, "GLIBC_TUNABLES=") ||
           begins(variable, "LOCPATH=") || begins(variable, "MALLOC_");
}

/* Other locales need the image's own files and conversion modules, compiled for its CPU. */
static int needs_locale(const char *variable)
{
    const char *value = variable;

    if (!begins(variable, "LC_") && !begins(variable, "LANG="))
        return 0;
    while (*value && *value++ != '=')
        continue;
    return !(equal(value, "") || equal(value, "C") || equal(value, "POSIX") ||
             equal(value, "C.UTF-8") || equal(value, "C.utf8"));
}

/* Is it the variable that `assignment` (NAME=, or NAME=VALUE) is about? */
static int same_name(const char *variable, const char *assignment)
{
    while (*variable && *variable != '=' && *variable == *assignment)
        variable++, assignment++;
    return *variable == '=' && *assignment == '=';
}

static int is_set(char **environment, const char *assignment)
{
    for (; *environment; environment++)
        if (same_name(*environment, assignment))
            return 1;
    return 0;
}

/* --- the table -------------------------------------------------------------------------- */

struct table {
    const char *bytes;
    word size;
};

static const void *at(struct table table, word offset, word size)
{
    return offset <= table.size && size <= table.size - offset ? table.bytes + offset : 0;
}

/* A text in the table; the table ends with two zero bytes, so every text and every list
 * ends inside it. */
static const char *text_at(struct table table, word offset)
{
    return offset < table.size - 1 ? table.bytes + offset : table.bytes + table.size - 2;
}

static struct table open_table(void)
{
    struct table none = {0, 0};
    struct statx status;
    long file = kernel(SYS_openat, AT_FDCWD, (word)TABLE_PATH, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, 0, 0);

    if (file < 0)
        return none;
    long asked = kernel(SYS_statx, file, (word) "", AT_EMPTY_PATH, STATX_SIZE, (word)&status, 0);
    long bytes = -1;
    if (asked == 0 && status.stx_size > sizeof(struct handoff_header))
        bytes = kernel(SYS_mmap, 0, status.stx_size, PROT_READ, MAP_PRIVATE, file, 0);
    kernel(SYS_close, file, 0, 0, 0, 0, 0);
    if (bytes < 0 && bytes > -4096)
        return none;
    struct table table = {(const char *)bytes, status.stx_size};
    const struct handoff_header *header = at(table, 0, sizeof *header);
    if (header->magic == HANDOFF_MAGIC && !table.bytes[table.size - 2] && !table.bytes[table.size - 1])
        return table;
    kernel(SYS_munmap, bytes, table.size, 0, 0, 0, 0);
    return none;
}

static void close_table(struct table table)
{
    kernel(SYS_munmap, (word)table.bytes, table.size, 0, 0, 0, 0);
}

/* The program at a path below a directory, or that is open (then the path is empty). */
static const struct handoff_program *find(struct table table, long directory, const char *path)
{
    const struct handoff_header *header = at(table, 0, sizeof *header);
    struct statx status;

    if (kernel(SYS_statx, directory, (word)path, AT_EMPTY_PATH, STATX_BASIC_STATS, (word)&status, 0))
        return 0;
    if (status.stx_dev_major != header->device_major || status.stx_dev_minor != header->device_minor)
        return 0;
    for (uint32_t probe = 0; probe < header->buckets; probe++) {
        uint32_t bucket = (status.stx_ino + probe) & (header->buckets - 1);
        const struct handoff_program *program =
            at(table, sizeof *header + (word)bucket * sizeof *program, sizeof *program);
        if (!program || !program->inode)
            return 0;
        if (program->inode == status.stx_ino)
            return program->size == status.stx_size &&
                           program->changed_seconds == (word)status.stx_ctime.tv_sec &&
                           program->changed_nanoseconds == status.stx_ctime.tv_nsec
                       ? program
                       : 0;
    }
    return 0;
}

/* Is it worth looking into the table again? Only absolute paths mean the same to whoever
 * answers. */
static int ask(const char *path)
{
    struct sockaddr_un address;
    struct timeval patience = {PATIENCE_SECONDS, 0};
    char answer = 0;

    if (path[0] != '/')
        return 0;
    address.sun_family = AF_UNIX;
    for (word i = 0; i < sizeof ASK_PATH; i++)
        address.sun_path[i] = ASK_PATH[i];
    long link = kernel(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0, 0);
    if (link < 0)
        return 0;
    kernel(SYS_setsockopt, link, SOL_SOCKET, SO_RCVTIMEO, (word)&patience, sizeof patience, 0);
    if (!kernel(SYS_connect, link, (word)&address, sizeof address, 0, 0, 0) &&
        kernel(SYS_sendto, link, (word)path, length(path), MSG_NOSIGNAL, 0, 0) > 0)
        kernel(SYS_read, link, (word)&answer, 1, 0, 0, 0);
    kernel(SYS_close, link, 0, 0, 0, 0, 0);
    return answer == 'Y';
}

/* --- the rule ---------------------------------------------------------------------------- */

/* Each list of a rule is texts one after the other, ended by an empty one. */
static int listed(struct table table, uint32_t list, const char *argument)
{
    for (const char *text = text_at(table, list); *text; text += length(text) + 1)
        if (equal(argument, text))
            return 1;
    return 0;
}

static int listed_as_prefix(struct table table, uint32_t list, const char *argument)
{
    for (const char *text = text_at(table, list); *text; text += length(text) + 1)
        if (begins(argument, text))
            return 1;
    return 0;
}

static int contains_any(struct table table, uint32_t list, const char *content, word size)
{
    for (const char *text = text_at(table, list); *text; text += length(text) + 1) {
        word needed = length(text);
        for (word i = 0; i + needed <= size; i++) {
            word same = 0;
            while (same < needed && content[i + same] == text[same])
                same++;
            if (same == needed)
                return 1;
        }
    }
    return 0;
}

/* Only a regular file is opened: whoever waits to write into a pipe would take us for its
 * reader. */
static int file_allows(struct table table, uint32_t list, const char *path)
{
    struct statx status;
    long allows = 0, bytes = -1;

    if (kernel(SYS_statx, AT_FDCWD, (word)path, 0, STATX_BASIC_STATS, (word)&status, 0) ||
        (status.stx_mode & S_IFMT) != S_IFREG)
        return 0;
    long file = kernel(SYS_openat, AT_FDCWD, (word)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, 0, 0);
    if (file < 0)
        return 0;
    if (!kernel(SYS_statx, file, (word) "", AT_EMPTY_PATH, STATX_BASIC_STATS, (word)&status, 0) &&
        status.stx_size)
        bytes = kernel(SYS_mmap, 0, status.stx_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes > 0 || bytes < -4095) {
        allows = !contains_any(table, list, (const char *)bytes, status.stx_size);
        kernel(SYS_munmap, bytes, status.stx_size, 0, 0, 0, 0);
    }
    kernel(SYS_close, file, 0, 0, 0, 0, 0);
    return allows;
}

/* A shell's arguments: options, then the script's file, or its text behind -c. A script that
 * cannot be read beforehand (from a pipe) is not allowed. */
static int script_allows(struct table table, uint32_t list, char **argv)
{
    char **argument = argv + 1;

    for (; *argument && (**argument == '-' || **argument == '+'); argument++) {
        const char *option = *argument;
        if (equal(option, "--"))
            return argument[1] && file_allows(table, list, argument[1]);
        if (option[1] == '-')
            return 0;
        for (const char *letter = option + 1; *letter; letter++) {
            if (*letter == 'c')
                return argument[1] && !contains_any(table, list, argument[1], length(argument[1]));
            if (*letter == 's' || *letter == 'i' || *letter == 'l' || *letter == 'o' || *letter == 'O')
                return 0;
        }
    }
    return *argument && file_allows(table, list, *argument);
}

/* The value of the variable that `assignment` is about; null if it is not set. */
static const char *value_of(char **environment, const char *assignment)
{
    for (; *environment; environment++)
        if (same_name(*environment, assignment)) {
            const char *value = *environment;
            while (*value++ != '=')
                continue;
            return value;
        }
    return 0;
}

/* Does the variable's value contain what `assignment` (NAME=PART) has behind its sign? */
static int value_contains(char **environment, const char *assignment)
{
    const char *value = value_of(environment, assignment);

    while (*assignment && *assignment++ != '=')
        continue;
    for (; value && *value; value++)
        if (begins(value, assignment))
            return 1;
    return 0;
}

/* Nothing is at the path that could be executed, or something that would be handed off. */
static int absent_or_offered(struct table table, const char *path)
{
    return kernel(SYS_faccessat, AT_FDCWD, (word)path, X_OK, 0, 0, 0) != 0 ||
           find(table, AT_FDCWD, path);
}

/* Whatever the name finds first in a list of directories as $PATH is, is handed off. */
static int path_finds_offered(struct table table, const char *directories, const char *name)
{
    char path[LONGEST_PATH];

    while (directories) {
        word size = 0;
        while (directories[size] && directories[size] != ':')
            size++;
        if (size + length(name) + 3 > sizeof path)
            return 0;
        char *to = path;
        for (word i = 0; i < size; i++)
            *to++ = directories[i];
        /* An empty one is the working directory. */
        if (!size)
            *to++ = '.';
        *to++ = '/';
        for (const char *from = name; (*to = *from); from++)
            to++;
        if (kernel(SYS_faccessat, AT_FDCWD, (word)path, X_OK, 0, 0, 0) == 0)
            return find(table, AT_FDCWD, path) != 0;
        directories = directories[size] ? directories + size + 1 : 0;
    }
    return 1;
}

static int starts_what_is_offered(struct table table, uint32_t list, char **environment)
{
    for (const char *text = text_at(table, list); *text; text += length(text) + 1)
        if (*text == '/' ? !absent_or_offered(table, text)
                         : !path_finds_offered(table, value_of(environment, "PATH="), text))
            return 0;
    return 1;
}

/* Does the environment leave every program's loading and locale alone? */
static int environment_allows(char **environment)
{
    for (; *environment; environment++)
        if (changes_loading(*environment) || needs_locale(*environment))
            return 0;
    /* What this file names is preloaded into every program, and is for the image's CPU. */
    return kernel(SYS_faccessat, AT_FDCWD, (word)PRELOAD_PATH, 0, 0, 0, 0) != 0;
}

static int variables_allow(struct table table, const struct handoff_program *program,
                           char **environment)
{
    const char *text = text_at(table, program->never_with_variable);

    for (; *text; text += length(text) + 1)
        if (is_set(environment, text))
            return 0;
    for (text = text_at(table, program->only_with_variable); *text; text += length(text) + 1)
        if (!value_contains(environment, text))
            return 0;
    return starts_what_is_offered(table, program->starts, environment);
}

/* What an interpreter is given to run: the module behind -m (-mNAME in the list), the text
 * behind -c, or the path of a script. Other ways to say these are not looked through. */
static int runs_listed_script(struct table table, uint32_t list, char **argv)
{
    for (char **argument = argv + 1; *argument; argument++) {
        const char *letter = *argument;
        if (equal(letter, "-m") || equal(letter, "-c")) {
            for (const char *text = text_at(table, list); *text; text += length(text) + 1)
                if (begins(text, letter) && argument[1] && equal(text + 2, argument[1]))
                    return 1;
            return 0;
        }
        if (*letter != '-')
            return listed(table, list, letter);
        while (*++letter)
            if (*letter == 'c' || *letter == 'm' || *letter == 'e')
                return 0;
    }
    return 0;
}

static int arguments_allow(struct table table, const struct handoff_program *program, char **argv)
{
    if (!argv[0])
        return 0;
    const char *name = after_last_slash(argv[0]);
    if (argv[1] && listed(table, program->name_follows, name))
        name = after_last_slash(argv[1]);
    const char *only = text_at(table, program->only_as);
    if (listed(table, program->never_as, name) || (*only && !listed(table, program->only_as, name)))
        return 0;
    int wanted = *text_at(table, program->only_with);
    for (char **argument = argv + 1; *argument; argument++) {
        if (listed(table, program->never_with, *argument) ||
            listed_as_prefix(table, program->never_with_prefix, *argument))
            return 0;
        if (wanted && listed(table, program->only_with, *argument))
            wanted = 0;
    }
    if (wanted)
        return 0;
    if (*text_at(table, program->only_scripts) &&
        !runs_listed_script(table, program->only_scripts, argv))
        return 0;
    const char *never_has = text_at(table, program->script_never_has);
    return !*never_has || script_allows(table, program->script_never_has, argv);
}

/* --- what happened, for the report ------------------------------------------------------- */

/* N: handed off; R: that was refused after all; Q: left to QEMU. */
static void note(char kind, const char *path)
{
    char line[LONGEST_NAME + 3];
    word size = length(path);
    long file = kernel(SYS_openat, AT_FDCWD, (word)LOG_PATH, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0, 0, 0);

    if (file < 0)
        return;
    if (size > LONGEST_NAME)
        path += size - LONGEST_NAME, size = LONGEST_NAME;
    line[0] = kind;
    for (word i = 0; i < size; i++)
        line[1 + i] = path[i] == '\n' ? '?' : path[i];
    line[1 + size] = '\n';
    kernel(SYS_write, file, (word)line, size + 2, 0, 0, 0);
    kernel(SYS_close, file, 0, 0, 0, 0, 0);
}

/* --- handing off --------------------------------------------------------------------------- */

static word length_of_list(struct table table, uint32_t list)
{
    word count = 0;
    for (const char *text = text_at(table, list); *text; text += length(text) + 1)
        count++;
    return count;
}

static word count_of(char **vector)
{
    word count = 0;
    while (vector[count])
        count++;
    return count;
}

/* What goes behind arguments in this root: a list of pairs, empty if its path is not there. */
static const char *companions(struct table table, const struct handoff_program *program)
{
    const char *where = text_at(table, program->accompanied_where);
    int there = !*where || !kernel(SYS_faccessat, AT_FDCWD, (word)where, 0, 0, 0, 0);

    return there ? text_at(table, program->accompanied) : "";
}

/* The second of the pair that the argument is the first of; null if it is of none. */
static const char *companion(const char *pairs, const char *argument)
{
    while (*pairs) {
        const char *second = pairs + length(pairs) + 1;
        if (equal(argument, pairs))
            return second;
        pairs = *second ? second + length(second) + 1 : second;
    }
    return 0;
}

static char **add_list(struct table table, uint32_t list, char **to)
{
    for (const char *text = text_at(table, list); *text; text += length(text) + 1)
        *to++ = (char *)text;
    return to;
}

/* The arguments: loader, its options, the counterpart, what the rule inserts, the program's
 * own. Returns what to execute. */
static const char *adapt_arguments(struct table table, const struct handoff_program *program,
                                   char **argv, char **to)
{
    const char *loader = text_at(table, program->loader);
    const char *path = text_at(table, program->path);

    if (*loader) {
        *to++ = (char *)loader;
        to = add_list(table, program->loader_options, to);
        *to++ = "--argv0";
        *to++ = argv[0];
        *to++ = (char *)path;
    } else {
        *to++ = argv[0];
    }
    to = add_list(table, program->inserted, to);
    const char *before = text_at(table, program->replaced_after);
    const char *pairs = companions(table, program);
    for (word i = 1; argv[i]; i++) {
        int replaced = i > 1 && *before && equal(argv[i - 1], before);
        *to++ = replaced ? (char *)text_at(table, program->replacement) : argv[i];
        const char *behind = companion(pairs, argv[i]);
        if (behind)
            *to++ = (char *)behind;
    }
    return *loader ? loader : path;
}

/* QEMU gives a program its environment in reverse; so a program that prints or passes it on
 * must have it from us. What the rule sets comes last. */
static void adapt_environment(struct table table, const struct handoff_program *program,
                              char **environment, char **to)
{
    for (word i = count_of(environment); i-- > 0;)
        *to++ = environment[i];
    for (const char *text = text_at(table, program->environment); *text; text += length(text) + 1)
        if (!is_set(environment, text))
            *to++ = (char *)text;
}

/* Returns only if the kernel refuses, for example because the list has become too long. The
 * lists are made in memory of their own: a stack may be small. */
static void execute(struct table table, const struct handoff_program *program, char **argv,
                    char **environment)
{
    /* Any argument may have a companion. */
    word arguments = 4 + length_of_list(table, program->loader_options) +
                     length_of_list(table, program->inserted) + 2 * count_of(argv);
    word variables = count_of(environment) + length_of_list(table, program->environment);
    word size = (arguments + 1 + variables + 1) * sizeof(char *);
    long memory = kernel(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory < 0 && memory > -4096)
        return;
    char **given = (char **)memory, **set = given + arguments + 1;
    const char *path = adapt_arguments(table, program, argv, given);
    adapt_environment(table, program, environment, set);
    kernel(SYS_execve, (word)path, (word)given, (word)set, 0, 0, 0);
    kernel(SYS_munmap, memory, size, 0, 0, 0, 0);
}

/* Volatile: written after it was compiled. */
volatile struct handoff_patch patch __attribute__((section(".data.patch"), visibility("hidden"))) = {
    HANDOFF_PATCH_MAGIC, 0, HANDOFF_MAGIC};

static word qemu_entry(void)
{
    return (word)&patch + patch.entry_from_patch;
}

/* `stack` is what the kernel left: argc, argv, 0, environment, 0, auxiliary vector. Returns
 * where to go on: QEMU. */
__attribute__((used, visibility("hidden"))) word handoff(word *stack)
{
    word argc = stack[0];
    char **argv = (char **)(stack + 1);
    char **environment = argv + argc + 1;
    char **end = environment;
    long file = -1, secure = 0;

    while (*end)
        end++;
    for (Elf64_auxv_t *entry = (Elf64_auxv_t *)(end + 1); entry->a_type != AT_NULL; entry++) {
        if (entry->a_type == AT_EXECFD)
            file = entry->a_un.a_val;
        if (entry->a_type == AT_SECURE)
            secure = entry->a_un.a_val;
    }
    /* A program with more rights than its caller is never handed off: the caller may have
     * arranged what it finds. */
    if (secure || file < 0 || argc < 3)
        return qemu_entry();
    struct table table = open_table();
    if (!table.bytes)
        return qemu_entry();
    const struct handoff_program *program = find(table, file, "");
    int allowed = environment_allows(environment);
    if (!program && allowed && ask(argv[1])) {
        close_table(table);
        table = open_table();
        if (!table.bytes)
            return qemu_entry();
        program = find(table, file, "");
    }
    if (program && allowed && variables_allow(table, program, environment) &&
        arguments_allow(table, program, argv + 2)) {
        note('N', argv[1]);
        kernel(SYS_fcntl, file, F_SETFD, FD_CLOEXEC, 0, 0, 0);
        execute(table, program, argv + 2, environment);
        kernel(SYS_fcntl, file, F_SETFD, 0, 0, 0, 0);
        note('R', argv[1]);
    }
    note('Q', argv[1]);
    close_table(table);
    return qemu_entry();
}
