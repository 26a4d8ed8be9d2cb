/*
 * test_image.c: memory images: ELF of both classes, raw, packed; and files that are none.
 */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <mmusim/walk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

/* ---- scratch files ---- */

struct scratch {
    char folder[64], path[128];
};

static int setup(void **state)
{
    struct scratch *s = calloc(1, sizeof *s);
    assert_non_null(s);
    strcpy(s->folder, P_tmpdir "/mmusim-image-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof s->path, "%s/image", s->folder);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scratch *s = *state;
    unlink(s->path);
    int status = rmdir(s->folder);
    free(s);
    return status;
}

static void put(const struct scratch *s, const void *bytes, size_t n)
{
    FILE *file = fopen(s->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* ---- an ELF file of up to four segments ---- */

enum { SEGMENTS = 4, ROOM = 1 << 14 };

struct elf {
    unsigned char bytes[ROOM];
    size_t size;
    Elf64_Ehdr header;
    Elf64_Phdr segment[SEGMENTS];
    size_t n;
};

/* A page of bytes that differ from place to place. */
static void fill(unsigned char *bytes, size_t n, unsigned salt)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 256 + salt);
}

static void elf_start(struct elf *elf, unsigned char class)
{
    memset(elf, 0, sizeof *elf);
    elf->header =
        (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class, ELFDATA2LSB, EV_CURRENT},
                     .e_type = ET_CORE,
                     .e_machine = class == ELFCLASS64 ? EM_X86_64 : EM_386,
                     .e_version = EV_CURRENT,
                     .e_phoff = class == ELFCLASS64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr),
                     .e_ehsize = class == ELFCLASS64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr),
                     .e_phentsize = class == ELFCLASS64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)};
    elf->size = 1024;
}

/* Adds a segment of filesz bytes, filled by its number. */
static Elf64_Phdr *elf_add(struct elf *elf, uint64_t pa, uint64_t filesz, uint64_t memsz)
{
    Elf64_Phdr *ph = &elf->segment[elf->n];
    *ph = (Elf64_Phdr){
        .p_type = PT_LOAD, .p_offset = elf->size, .p_paddr = pa, .p_filesz = filesz, .p_memsz = memsz};
    fill(elf->bytes + elf->size, filesz, (unsigned)elf->n);
    elf->size += filesz;
    elf->n++;
    return ph;
}

static void elf_headers(struct elf *elf)
{
    elf->header.e_phnum = (Elf64_Half)elf->n;
    if (elf->header.e_ident[EI_CLASS] == ELFCLASS64) {
        memcpy(elf->bytes, &elf->header, sizeof elf->header);
        memcpy(elf->bytes + sizeof elf->header, elf->segment, sizeof elf->segment);
        return;
    }
    Elf32_Ehdr *eh = (Elf32_Ehdr *)(void *)elf->bytes;
    memcpy(eh->e_ident, elf->header.e_ident, EI_NIDENT);
    eh->e_type = elf->header.e_type;
    eh->e_machine = elf->header.e_machine;
    eh->e_version = elf->header.e_version;
    eh->e_phoff = (Elf32_Off)elf->header.e_phoff;
    eh->e_ehsize = elf->header.e_ehsize;
    eh->e_phentsize = elf->header.e_phentsize;
    eh->e_phnum = elf->header.e_phnum;
    Elf32_Phdr *ph = (Elf32_Phdr *)(void *)(elf->bytes + sizeof *eh);
    for (size_t i = 0; i < elf->n; i++) {
        const Elf64_Phdr *wide = &elf->segment[i];
        ph[i] = (Elf32_Phdr){.p_type = wide->p_type,
                             .p_offset = (Elf32_Off)wide->p_offset,
                             .p_paddr = (Elf32_Addr)wide->p_paddr,
                             .p_filesz = (Elf32_Word)wide->p_filesz,
                             .p_memsz = (Elf32_Word)wide->p_memsz};
    }
}

static void elf_put(const struct scratch *s, struct elf *elf)
{
    elf_headers(elf);
    put(s, elf->bytes, elf->size);
}

/* ---- what is read ---- */

static struct mmu_image *open_image(const struct scratch *s, mmu_pa base, struct mmu_memory_ops *ops)
{
    struct mmu_image *image = NULL;
    struct mmu_error err = {0};
    if (mmu_image_open(s->path, base, &image, &err))
        fail_msg("%s", err.message);
    mmu_image_memory(image, ops);
    return image;
}

static void expect_entry(const struct mmu_memory_ops *ops, mmu_pa pa, unsigned size,
                         const unsigned char *bytes)
{
    uint64_t value, expected = 0;
    memcpy(&expected, bytes, size);
    assert_true(ops->read(ops->ctx, pa, size, &value));
    assert_int_equal(value, expected);
}

static void expect_nothing(const struct mmu_memory_ops *ops, mmu_pa pa, unsigned size)
{
    uint64_t value;
    assert_false(ops->read(ops->ctx, pa, size, &value));
}

/* Opening fails with this code, at this offset (-1: none), with these words in the message; and so does
 * loading. */
static void expect_refusal(const struct scratch *s, mmu_pa base, int code, int64_t offset, const char *words)
{
    struct mmu_image *image = NULL;
    struct mmu_error err = {0};
    int status = mmu_image_open(s->path, base, &image, &err);
    assert_int_equal(status, code);
    assert_int_equal(err.code, code);
    assert_null(image);
    assert_string_equal(err.file, s->path);
    assert_int_equal(err.has_offset, offset >= 0);
    if (offset >= 0)
        assert_int_equal(err.offset, offset);
    if (!strstr(err.message, words))
        fail_msg("expected '%s' in '%s'", words, err.message);
    assert_int_equal(mmu_image_open(s->path, base, &image, NULL), code);
}

/* ---- images that are good ---- */

static void test_elf(struct scratch *s, unsigned char class)
{
    struct elf elf;
    struct mmu_memory_ops ops;
    elf_start(&elf, class);
    elf_add(&elf, 0x7000, 4096, 4096);
    elf_add(&elf, 0x2000, 100, 8192); /* not in order, with a tail of zeros, bordering on nothing */
    elf_add(&elf, 0x8000, 4, 4);      /* borders on the first */
    elf_put(s, &elf);
    struct mmu_image *image = open_image(s, 0, &ops);
    assert_int_equal(mmu_image_bytes(image), 4096 + 8192 + 4);
    expect_entry(&ops, 0x7000, 8, elf.bytes + elf.segment[0].p_offset);
    expect_entry(&ops, 0x7ffc, 4, elf.bytes + elf.segment[0].p_offset + 4092);
    unsigned char both[8];
    memcpy(both, elf.bytes + elf.segment[0].p_offset + 4092, 4);
    memcpy(both + 4, elf.bytes + elf.segment[2].p_offset, 4);
    expect_entry(&ops, 0x7ffc, 8, both);
    expect_nothing(&ops, 0x8000, 8);
    expect_nothing(&ops, 0x6ff8, 8);
    expect_nothing(&ops, 0x4000, 4);
    expect_nothing(&ops, 0x1ffc, 8);
    expect_nothing(&ops, UINT64_MAX - 7, 8);
    static const unsigned char zeros[8];
    expect_entry(&ops, 0x3ff8, 8, zeros);
    unsigned char edge[8] = {0};
    memcpy(edge, elf.bytes + elf.segment[1].p_offset + 96, 4);
    expect_entry(&ops, 0x2000 + 96, 8, edge); /* half held, half zeros */
    mmu_image_close(image);
}

static void test_elf64(void **state)
{
    test_elf(*state, ELFCLASS64);
}

static void test_elf32(void **state)
{
    test_elf(*state, ELFCLASS32);
}

static void test_many_segments(void **state) /* more than any fixed number of RAM ranges */
{
    struct scratch *s = *state;
    enum { N = 500, HEADERS = sizeof(Elf64_Ehdr) + N * sizeof(Elf64_Phdr) };
    unsigned char *bytes = calloc(1, HEADERS + N * 8);
    assert_non_null(bytes);
    struct elf elf;
    elf_start(&elf, ELFCLASS64);
    elf.header.e_phnum = N;
    memcpy(bytes, &elf.header, sizeof elf.header);
    for (uint64_t i = 0; i < N; i++) {
        Elf64_Phdr ph = {.p_type = PT_LOAD,
                         .p_offset = HEADERS + 8 * i,
                         .p_paddr = (i * 7 % N) << 20,
                         .p_filesz = 8,
                         .p_memsz = 8};
        memcpy(bytes + sizeof elf.header + i * sizeof ph, &ph, sizeof ph);
        memcpy(bytes + HEADERS + 8 * i, &ph.p_paddr, 8);
    }
    put(s, bytes, HEADERS + N * 8);
    free(bytes);
    struct mmu_memory_ops ops;
    struct mmu_image *image = open_image(s, 0, &ops);
    for (uint64_t i = 0; i < N; i++) {
        mmu_pa pa = i << 20;
        expect_entry(&ops, pa, 8, (const unsigned char *)&pa);
        expect_nothing(&ops, pa + 4, 8);
    }
    mmu_image_close(image);
}

static void test_write_is_private(void **state)
{
    struct scratch *s = *state;
    struct mmu_memory_ops ops;
    static const uint64_t page[512] = {0x67, 0x27};
    uint64_t value;
    put(s, page, sizeof page);
    struct mmu_image *image = open_image(s, 0x1000, &ops);
    assert_false(ops.compare_exchange(ops.ctx, 0x1000, 8, 0x66, 0x77));
    assert_false(ops.compare_exchange(ops.ctx, 0x9000, 8, 0, 0x77));
    assert_true(ops.compare_exchange(ops.ctx, 0x1000, 8, 0x67, 0x77));
    assert_true(ops.compare_exchange(ops.ctx, 0x1008, 4, 0x27, 0x67));
    assert_true(ops.read(ops.ctx, 0x1000, 8, &value));
    assert_int_equal(value, 0x77);
    mmu_image_close(image);
    image = open_image(s, 0x1000, &ops);
    expect_entry(&ops, 0x1000, 8, (const unsigned char *)page);
    mmu_image_close(image);
}

static void test_packed(void **state)
{
    struct scratch *s = *state;
    static int (*const filters[])(struct archive *) = {
        archive_write_add_filter_gzip, archive_write_add_filter_bzip2, archive_write_add_filter_xz,
        archive_write_add_filter_lzip, archive_write_add_filter_lz4,   archive_write_add_filter_zstd,
    };
    enum { SIZE = 200001, HOLE = 70000 }; /* a hole of zeros in the middle, an odd end */
    unsigned char *bytes = calloc(1, SIZE + 8);
    assert_non_null(bytes);
    fill(bytes, 60000, 1);
    fill(bytes + 60000 + HOLE, SIZE - 60000 - HOLE, 2);
    for (size_t f = 0; f < sizeof filters / sizeof filters[0]; f++) {
        struct archive *archive = archive_write_new();
        struct archive_entry *entry = archive_entry_new();
        archive_write_set_format_raw(archive);
        assert_int_equal(filters[f](archive), ARCHIVE_OK);
        assert_int_equal(archive_write_open_filename(archive, s->path), ARCHIVE_OK);
        archive_entry_set_filetype(entry, AE_IFREG);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(archive, bytes, SIZE), SIZE);
        archive_entry_free(entry);
        assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
        struct mmu_memory_ops ops;
        struct mmu_image *image = open_image(s, 0x4000, &ops);
        assert_int_equal(mmu_image_bytes(image), SIZE);
        for (size_t i = 0; i + 8 <= SIZE; i += 8)
            expect_entry(&ops, 0x4000 + i, 8, bytes + i);
        expect_nothing(&ops, 0x4000 + SIZE - 7, 8);
        mmu_image_close(image);
    }
    free(bytes);
}

static void test_pipe(void **state)
{
    struct scratch *s = *state;
    static const uint64_t page[512] = {0x1234567};
    int ends[2];
    struct scratch pipe_path = {.path = ""};
    (void)s;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], page, sizeof page), sizeof page);
    close(ends[1]);
    snprintf(pipe_path.path, sizeof pipe_path.path, "/dev/fd/%d", ends[0]);
    struct mmu_memory_ops ops;
    struct mmu_image *image = open_image(&pipe_path, 0, &ops);
    close(ends[0]);
    assert_int_equal(mmu_image_bytes(image), sizeof page);
    expect_entry(&ops, 0, 8, (const unsigned char *)page);
    mmu_image_close(image);
}

static void test_larger_than_memory(void **state)
{
    struct scratch *s = *state;
    static const uint64_t last = 0x123456789abcdef;
    put(s, "", 0);
    if (truncate(s->path, INT64_C(1) << 42)) /* 4 TiB of hole */
        skip();
    FILE *file = fopen(s->path, "r+");
    assert_non_null(file);
    assert_int_equal(fseeko(file, -8, SEEK_END), 0);
    assert_int_equal(fwrite(&last, 8, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    struct mmu_memory_ops ops;
    struct mmu_image *image = open_image(s, 0, &ops);
    expect_entry(&ops, (UINT64_C(1) << 42) - 8, 8, (const unsigned char *)&last);
    mmu_image_close(image);
    expect_refusal(s, (UINT64_C(1) << 52) - 4096, MMU_ERR_RANGE, -1, "end beyond 2^52");
}

/* ---- copied into a machine ---- */

static struct mmu_machine *make_machine(const struct mmu_ram_range *ranges, uint32_t n)
{
    struct mmu_config config;
    struct mmu_machine *machine = NULL;
    mmu_config_init(&config);
    config.pager.enabled = false;
    config.memory.ram_ranges = n;
    for (uint32_t i = 0; i < n; i++)
        config.memory.ram[i] = ranges[i];
    assert_int_equal(mmu_machine_create(&config, NULL, &machine, NULL), MMU_OK);
    return machine;
}

static void test_load(void **state)
{
    struct scratch *s = *state;
    struct elf elf;
    elf_start(&elf, ELFCLASS64);
    elf_add(&elf, 0x10000, 4096, 4096);
    elf_add(&elf, 0x20ff0, 40, 8192); /* crosses a page */
    elf_put(s, &elf);
    struct mmu_machine *machine = make_machine(NULL, 0);
    uint64_t bytes = 0;
    unsigned char got[4096];
    assert_int_equal(mmu_machine_load_image(machine, s->path, 0, &bytes, NULL), MMU_OK);
    assert_int_equal(bytes, 4096 + 8192);
    assert_int_equal(mmu_machine_read(machine, 0x10000, got, 4096), MMU_OK);
    assert_memory_equal(got, elf.bytes + elf.segment[0].p_offset, 4096);
    assert_int_equal(mmu_machine_read(machine, 0x20ff0, got, 40), MMU_OK);
    assert_memory_equal(got, elf.bytes + elf.segment[1].p_offset, 40);
    mmu_machine_free(machine);
}

static void test_load_is_sparse(void **state)
{
    struct scratch *s = *state;
    put(s, "x", 1);
    assert_int_equal(truncate(s->path, 64 << 20), 0);
    struct mmu_machine *machine = make_machine(NULL, 0);
    uint64_t before = mmu_machine_host_bytes(machine);
    assert_int_equal(mmu_machine_load_image(machine, s->path, 1 << 30, NULL, NULL), MMU_OK);
    assert_true(mmu_machine_host_bytes(machine) - before < 4 << 20);
    char x = 0;
    assert_int_equal(mmu_machine_read(machine, 1 << 30, &x, 1), MMU_OK);
    assert_int_equal(x, 'x');
    mmu_machine_free(machine);
}

static void test_load_outside_ram(void **state)
{
    struct scratch *s = *state;
    static const struct mmu_ram_range ranges[] = {{0x20000, 0x10000},
                                                  {0x10000, 0x10000}}; /* adjacent, not in order */
    struct elf elf;
    struct mmu_error err = {0};
    elf_start(&elf, ELFCLASS64);
    elf_add(&elf, 0x1f000, 4096, 8192); /* lies in both ranges: good */
    elf_add(&elf, 0x2f000, 8, 8192);    /* its zeros do not lie in RAM */
    elf_put(s, &elf);
    struct mmu_machine *machine = make_machine(ranges, 2);
    assert_int_equal(mmu_machine_load_image(machine, s->path, 0, NULL, &err), MMU_ERR_NORAM);
    assert_int_equal(err.offset, sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr));
    assert_non_null(strstr(err.message, "no memory at 0x30000"));
    unsigned char byte = 1;
    assert_int_equal(mmu_machine_read(machine, 0x1f001, &byte, 1), MMU_OK);
    assert_int_equal(byte, 0); /* nothing was written */
    elf.segment[1].p_memsz = 4096;
    elf_put(s, &elf);
    assert_int_equal(mmu_machine_load_image(machine, s->path, 0, NULL, &err), MMU_OK);
    put(s, elf.bytes + 1024, 64);
    assert_int_equal(mmu_machine_load_image(machine, s->path, 0x8000, NULL, &err), MMU_ERR_NORAM);
    mmu_machine_free(machine);
}

/* ---- images that are none ---- */

static void test_no_image(void **state)
{
    struct scratch *s = *state;
    struct scratch folder = {.path = ""};
    expect_refusal(s, 0, MMU_ERR_IO, -1, "No such file");
    snprintf(folder.path, sizeof folder.path, "%s", s->folder);
    expect_refusal(&folder, 0, MMU_ERR_IO, -1, "is a directory");
    put(s, "", 0);
    expect_refusal(s, 0, MMU_ERR_TRUNCATED, -1, "is empty");
    snprintf(folder.path, sizeof folder.path, "/dev/null");
    expect_refusal(&folder, 0, MMU_ERR_TRUNCATED, -1, "is empty, expected a memory image");
    static const unsigned char gzip[20] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,    0,    3,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    put(s, gzip, sizeof gzip);
    expect_refusal(s, 0, MMU_ERR_FORMAT, 0, "cannot unpack");
    put(s, "raw", 3);
    expect_refusal(s, UINT64_MAX, MMU_ERR_RANGE, -1, "end beyond 2^52");
    expect_refusal(s, (UINT64_C(1) << 52) - 2, MMU_ERR_RANGE, -1, "end beyond 2^52");
}

/* A good file of two segments with one thing wrong: *field of the second segment = value. */
static void refuse_segment(struct scratch *s, size_t field, uint64_t value, int code, const char *words)
{
    struct elf elf;
    elf_start(&elf, ELFCLASS64);
    elf_add(&elf, 0x1000, 4096, 4096);
    elf_add(&elf, 0x3000, 4096, 4096);
    memcpy((char *)&elf.segment[1] + field, &value, sizeof value);
    elf_put(s, &elf);
    expect_refusal(s, 0, code, sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), words);
}

static void test_bad_segments(void **state)
{
    struct scratch *s = *state;
    size_t paddr = offsetof(Elf64_Phdr, p_paddr), offset = offsetof(Elf64_Phdr, p_offset);
    size_t filesz = offsetof(Elf64_Phdr, p_filesz), memsz = offsetof(Elf64_Phdr, p_memsz);
    refuse_segment(s, paddr, 0x1000, MMU_ERR_FORMAT, "overlaps segment 0");
    refuse_segment(s, paddr, 0x1fff, MMU_ERR_FORMAT, "overlaps segment 0");
    refuse_segment(s, paddr, 1, MMU_ERR_FORMAT, "overlaps segment 0");
    refuse_segment(s, paddr, UINT64_MAX, MMU_ERR_RANGE, "end beyond 2^52");
    refuse_segment(s, paddr, (UINT64_C(1) << 52) - 4095, MMU_ERR_RANGE, "end beyond 2^52");
    refuse_segment(s, memsz, UINT64_MAX, MMU_ERR_RANGE, "end beyond 2^52");
    refuse_segment(s, memsz, 4095, MMU_ERR_FORMAT, "exceeds p_memsz");
    refuse_segment(s, filesz, UINT64_MAX, MMU_ERR_FORMAT, "exceeds p_memsz");
    refuse_segment(s, offset, UINT64_MAX, MMU_ERR_TRUNCATED, "beyond the end of the file");
    refuse_segment(s, offset, 1024 + 4097, MMU_ERR_TRUNCATED, "beyond the end of the file");
}

static void test_bad_elf(void **state)
{
    struct scratch *s = *state;
    struct elf elf;
    elf_start(&elf, ELFCLASS64);
    elf_add(&elf, 0x1000, 4096, 4096);
    elf_put(s, &elf);
    expect_refusal(s, 0x1000, MMU_ERR_INVALID, -1, "base address");
    put(s, elf.bytes, 10);
    expect_refusal(s, 0, MMU_ERR_TRUNCATED, 10, "ends within the ELF header");
    put(s, elf.bytes, 40);
    expect_refusal(s, 0, MMU_ERR_FORMAT, 0, "bad ELF");
    put(s, elf.bytes, 80);
    expect_refusal(s, 0, MMU_ERR_TRUNCATED, 64, "program headers lie beyond the end");
    elf.header.e_phentsize = 32;
    elf_put(s, &elf);
    expect_refusal(s, 0, MMU_ERR_FORMAT, 0, "program headers of 32 bytes, expected 56");
    elf.header.e_phentsize = sizeof(Elf64_Phdr);
    elf.header.e_ident[EI_DATA] = ELFDATA2MSB;
    elf_put(s, &elf);
    expect_refusal(s, 0, MMU_ERR_FORMAT, EI_DATA, "expected 1 (little-endian)");
    elf.header.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.header.e_ident[EI_CLASS] = 9;
    elf_headers(&elf);
    elf.bytes[EI_CLASS] = 9;
    put(s, elf.bytes, elf.size);
    expect_refusal(s, 0, MMU_ERR_FORMAT, EI_CLASS, "ELF class 9");
    elf.header.e_ident[EI_CLASS] = ELFCLASS64;
    elf.segment[0].p_type = PT_NOTE;
    elf_put(s, &elf);
    expect_refusal(s, 0, MMU_ERR_FORMAT, 0, "no PT_LOAD");
}

/* Damaged headers are refused or give an image that can be read; under a sanitizer nothing is touched that is
 * not there. */
static void test_damaged(void **state)
{
    struct scratch *s = *state;
    uint64_t seed = 20240229, accepted = 0;
    enum { ROUNDS = 3000 };
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct elf elf;
        elf_start(&elf, round & 1 ? ELFCLASS64 : ELFCLASS32);
        elf_add(&elf, 0x1000, 512, 4096);
        elf_add(&elf, 0x8000, 512, 512);
        elf_headers(&elf);
        for (unsigned change = 0; change <= round % 3; change++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            unsigned where = 4 + (unsigned)(seed >> 33) % 172;
            elf.bytes[where] = (unsigned char)(seed >> 60 < 4 ? 0xff : seed >> 24);
        }
        put(s, elf.bytes, elf.size);
        struct mmu_image *image = NULL;
        struct mmu_error err = {0};
        int status = mmu_image_open(s->path, 0, &image, &err);
        if (status) {
            assert_true(err.message[0]);
            continue;
        }
        accepted++;
        struct mmu_memory_ops ops;
        mmu_image_memory(image, &ops);
        uint64_t value;
        for (mmu_pa pa = 0; pa < 0x9000; pa += 0x1f8)
            ops.read(ops.ctx, pa, 8, &value);
        assert_true(mmu_image_bytes(image) > 0);
        mmu_image_close(image);
    }
    assert_true(accepted > ROUNDS / 20 && accepted < ROUNDS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_elf64),
        TEST(test_elf32),
        TEST(test_many_segments),
        TEST(test_write_is_private),
        TEST(test_packed),
        TEST(test_pipe),
        TEST(test_larger_than_memory),
        TEST(test_load),
        TEST(test_load_is_sparse),
        TEST(test_load_outside_ram),
        TEST(test_no_image),
        TEST(test_bad_segments),
        TEST(test_bad_elf),
        TEST(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
