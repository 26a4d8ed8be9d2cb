/*
 * image.c: memory images: which physical memory a file holds, and its bytes (see mmusim/walk.h).
 *
 * ELF files of either class through libelf, and raw files; of an ELF file's notes the one in which QEMU tells
 * a processor's control registers. Leaves out section headers, other notes and virtual addresses of ELF
 * files, and formats of single tools (kdump, QEMU snapshots).
 */
#include "error.h"
#include "image_file.h"
#include "x86.h"
#include <assert.h>
#include <elf.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <mmusim/walk.h>
#include <stdlib.h>
#include <string.h>

#define PA_END (UINT64_C(1) << 52) /* no x86 processor has wider physical addresses */

/* [pa, pa + size) of physical memory; its first `held` bytes stand in the file, the others are 0. size > 0,
 * held <= size. */
struct segment {
    mmu_pa pa;
    uint64_t size, held;
    unsigned char *bytes;
    size_t number;   /* of the program header, for messages */
    uint64_t offset; /* of the program header in the file, for messages */
};

/* Invariant: segments are sorted by pa and disjoint; there is at least one. */
struct mmu_image {
    struct image_file file;
    struct segment *segment;
    size_t n;
};

/* ---- reading the file ---- */

static int add_segment(struct mmu_image *image, const struct segment *segment, const char *path,
                       struct mmu_error *err)
{
    struct segment *bigger = realloc(image->segment, (image->n + 1) * sizeof *bigger);
    if (!bigger)
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "the host is out of memory");
    image->segment = bigger;
    bigger[image->n++] = *segment;
    return MMU_OK;
}

static int read_raw(struct mmu_image *image, mmu_pa base, const char *path, struct mmu_error *err)
{
    uint64_t size = image->file.size;
    if (base >= PA_END || size > PA_END - base)
        return err_at(err, MMU_ERR_RANGE, path, 0, 0,
                      "%" PRIu64 " bytes at physical address 0x%" PRIx64 " end beyond 2^52", size, base);
    struct segment all = {.pa = base, .size = size, .held = size, .bytes = image->file.bytes};
    return add_segment(image, &all, path, err);
}

/* One PT_LOAD: is it possible by itself? */
static int check_segment(const GElf_Phdr *ph, size_t number, uint64_t offset, uint64_t file_size,
                         const char *path, struct mmu_error *err)
{
    if (ph->p_filesz > ph->p_memsz)
        return err_offset(err, MMU_ERR_FORMAT, path, offset,
                          "segment %zu: p_filesz 0x%" PRIx64 " exceeds p_memsz 0x%" PRIx64, number,
                          ph->p_filesz, ph->p_memsz);
    if (ph->p_filesz && (ph->p_offset > file_size || ph->p_filesz > file_size - ph->p_offset))
        return err_offset(err, MMU_ERR_TRUNCATED, path, offset,
                          "segment %zu: 0x%" PRIx64 " bytes at offset 0x%" PRIx64
                          " lie beyond the end of the file (0x%" PRIx64 " bytes)",
                          number, ph->p_filesz, ph->p_offset, file_size);
    if (ph->p_paddr >= PA_END || ph->p_memsz > PA_END - ph->p_paddr)
        return err_offset(err, MMU_ERR_RANGE, path, offset,
                          "segment %zu: 0x%" PRIx64 " bytes at physical address 0x%" PRIx64
                          " end beyond 2^52",
                          number, ph->p_memsz, ph->p_paddr);
    return MMU_OK;
}

static int read_segment(struct mmu_image *image, Elf *elf, size_t number, uint64_t offset, const char *path,
                        struct mmu_error *err)
{
    GElf_Phdr ph;
    if (!gelf_getphdr(elf, (int)number, &ph))
        return err_offset(err, MMU_ERR_FORMAT, path, offset, "bad program header %zu: %s", number,
                          elf_errmsg(-1));
    if (ph.p_type != PT_LOAD || !ph.p_memsz)
        return MMU_OK;
    int status = check_segment(&ph, number, offset, image->file.size, path, err);
    if (status)
        return status;
    struct segment segment = {.pa = ph.p_paddr,
                              .size = ph.p_memsz,
                              .held = ph.p_filesz,
                              .bytes = ph.p_filesz ? image->file.bytes + ph.p_offset : NULL,
                              .number = number,
                              .offset = offset};
    return add_segment(image, &segment, path, err);
}

/* The number of program headers that the file claims to have; libelf counts those that fit in it. */
static uint64_t claimed_headers(Elf *elf, const GElf_Ehdr *eh)
{
    GElf_Shdr first;
    if (eh->e_phnum != PN_XNUM)
        return eh->e_phnum;
    return gelf_getshdr(elf_getscn(elf, 0), &first) ? first.sh_info : UINT64_MAX;
}

static int read_segments(struct mmu_image *image, Elf *elf, const char *path, struct mmu_error *err)
{
    GElf_Ehdr eh;
    size_t n;
    if (!gelf_getehdr(elf, &eh) || elf_getphdrnum(elf, &n))
        return err_offset(err, MMU_ERR_FORMAT, path, 0, "bad ELF header: %s", elf_errmsg(-1));
    if (n != claimed_headers(elf, &eh))
        return err_offset(err, MMU_ERR_TRUNCATED, path, eh.e_phoff,
                          "program headers lie beyond the end of the file");
    size_t bytes = gelf_fsize(elf, ELF_T_PHDR, 1, EV_CURRENT);
    if (n && eh.e_phentsize != bytes)
        return err_offset(err, MMU_ERR_FORMAT, path, 0, "program headers of %u bytes, expected %zu",
                          eh.e_phentsize, bytes);
    for (size_t i = 0; i < n; i++) {
        int status = read_segment(image, elf, i, eh.e_phoff + i * eh.e_phentsize, path, err);
        if (status)
            return status;
    }
    if (!image->n)
        return err_offset(err, MMU_ERR_FORMAT, path, 0, "has no PT_LOAD segment, expected an ELF core file");
    return MMU_OK;
}

static int read_elf(struct mmu_image *image, mmu_pa base, const char *path, struct mmu_error *err)
{
    const unsigned char *ident = image->file.bytes;
    if (base)
        return err_at(err, MMU_ERR_INVALID, path, 0, 0,
                      "a base address is for raw files, an ELF file says where its segments lie");
    if (image->file.size < EI_NIDENT)
        return err_offset(err, MMU_ERR_TRUNCATED, path, image->file.size, "ends within the ELF header");
    if (ident[EI_DATA] != ELFDATA2LSB)
        return err_offset(err, MMU_ERR_FORMAT, path, EI_DATA,
                          "ELF data encoding %u, expected 1 (little-endian)", ident[EI_DATA]);
    if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
        return err_offset(err, MMU_ERR_FORMAT, path, EI_CLASS,
                          "ELF class %u, expected 1 (32-bit) or 2 (64-bit)", ident[EI_CLASS]);
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)image->file.bytes, image->file.size);
    if (!elf)
        return err_offset(err, MMU_ERR_FORMAT, path, 0, "bad ELF file: %s", elf_errmsg(-1));
    int status = read_segments(image, elf, path, err);
    elf_end(elf);
    return status;
}

static int by_address(const void *a, const void *b)
{
    mmu_pa x = ((const struct segment *)a)->pa, y = ((const struct segment *)b)->pa;
    return (x > y) - (x < y);
}

static int check_overlap(const struct mmu_image *image, const char *path, struct mmu_error *err)
{
    for (size_t i = 1; i < image->n; i++) {
        const struct segment *a = &image->segment[i - 1], *b = &image->segment[i];
        if (a->size <= b->pa - a->pa)
            continue;
        if (a->number > b->number) { /* the later one in the file is the culprit */
            const struct segment *swap = a;
            a = b;
            b = swap;
        }
        return err_offset(err, MMU_ERR_FORMAT, path, b->offset,
                          "segment %zu (0x%" PRIx64 " bytes at physical address 0x%" PRIx64
                          ") overlaps segment %zu (0x%" PRIx64 " bytes at 0x%" PRIx64 ")",
                          b->number, b->size, b->pa, a->number, a->size, a->pa);
    }
    return MMU_OK;
}

static int read_image(struct mmu_image *image, const char *path, mmu_pa base, struct mmu_error *err)
{
    int status = image_file_open(&image->file, path, err);
    if (status)
        return status;
    bool elf = image->file.size >= SELFMAG && !memcmp(image->file.bytes, ELFMAG, SELFMAG);
    status = elf ? read_elf(image, base, path, err) : read_raw(image, base, path, err);
    if (status)
        return status;
    qsort(image->segment, image->n, sizeof *image->segment, by_address);
    return check_overlap(image, path, err);
}

int mmu_image_open(const char *path, mmu_pa base, struct mmu_image **out, struct mmu_error *err)
{
    struct mmu_image *image = calloc(1, sizeof *image);
    if (!image)
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "the host is out of memory");
    int status = read_image(image, path, base, err);
    if (status)
        mmu_image_close(image);
    else
        *out = image;
    return status;
}

void mmu_image_close(struct mmu_image *image)
{
    if (!image)
        return;
    image_file_close(&image->file);
    free(image->segment);
    free(image);
}

uint64_t mmu_image_bytes(const struct mmu_image *image)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < image->n; i++)
        sum += image->segment[i].size;
    return sum;
}

/* ---- registers ---- */

/*
 * QEMU's note (target/i386/arch_dump.c, struct QEMUCPUState, version 1): named "QEMU", of type 0, one for
 * each processor: two words of 32 bits (version, size), 18 registers of 64, ten segments of 24 bytes, CR0 to
 * CR4.
 */
enum { QEMU_VERSION = 1, QEMU_CR0 = 8 + 18 * 8 + 10 * 24, QEMU_BYTES = QEMU_CR0 + 5 * 8, NOTE_BYTES = 12 };

static uint64_t align4(uint64_t n)
{
    return (n + 3) & ~UINT64_C(3);
}

/* The first of them among the notes in [at, end), or NULL. */
static const unsigned char *qemu_note(const unsigned char *at, const unsigned char *end)
{
    while (end - at >= NOTE_BYTES) {
        uint32_t head[3]; /* bytes of the name and of what follows it, type */
        memcpy(head, at, sizeof head);
        uint64_t name = align4(head[0]), all = NOTE_BYTES + name + align4(head[1]), version = 0;
        const unsigned char *description = at + NOTE_BYTES + name;
        if (all > (uint64_t)(end - at))
            return NULL;
        if (head[0] == 5 && !memcmp(at + NOTE_BYTES, "QEMU", 5) && head[1] >= QEMU_BYTES)
            memcpy(&version, description, 4);
        if (version == QEMU_VERSION)
            return description;
        at += all;
    }
    return NULL;
}

static const unsigned char *find_qemu_note(const struct mmu_image *image, Elf *elf, uint16_t *machine)
{
    GElf_Ehdr eh;
    GElf_Phdr ph;
    size_t n = 0;
    const unsigned char *found = NULL;
    if (!gelf_getehdr(elf, &eh) || elf_getphdrnum(elf, &n))
        return NULL;
    *machine = eh.e_machine;
    for (size_t i = 0; i < n && !found; i++)
        if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_NOTE && ph.p_offset <= image->file.size &&
            ph.p_filesz <= image->file.size - ph.p_offset)
            found = qemu_note(image->file.bytes + ph.p_offset, image->file.bytes + ph.p_offset + ph.p_filesz);
    return found;
}

int mmu_image_registers(const struct mmu_image *image, struct mmu_registers *registers)
{
    if (image->file.size < SELFMAG || memcmp(image->file.bytes, ELFMAG, SELFMAG))
        return MMU_ERR_NOTFOUND;
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)image->file.bytes, image->file.size);
    uint16_t machine = EM_NONE;
    const unsigned char *note = elf ? find_qemu_note(image, elf, &machine) : NULL;
    elf_end(elf);
    if (!note)
        return MMU_ERR_NOTFOUND;
    static const enum mmu_reg cr[] = {MMU_REG_CR0, MMU_REGS, MMU_REG_CR2, MMU_REG_CR3,
                                      MMU_REG_CR4}; /* there is no CR1 */
    uint64_t *value = registers->value;
    memset(registers, 0, sizeof *registers);
    for (unsigned i = 0; i < 5; i++)
        if (cr[i] != MMU_REGS)
            memcpy(&value[cr[i]], note + QEMU_CR0 + 8 * i, 8);
    if (machine == EM_X86_64)
        value[MMU_REG_EFER] = EFER_LME | EFER_LMA | EFER_NXE;
    else if (value[MMU_REG_CR4] & CR4_PAE)
        value[MMU_REG_EFER] = EFER_NXE;
    return MMU_OK;
}

/* ---- as a machine's memory ---- */

/* The segment that holds pa, or NULL. */
static const struct segment *find(const struct mmu_image *image, mmu_pa pa)
{
    size_t low = 0,
           high = image->n; /* segments below low begin at or below pa, those from high on above it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (image->segment[middle].pa <= pa)
            low = middle + 1;
        else
            high = middle;
    }
    const struct segment *s = low ? &image->segment[low - 1] : NULL;
    return s && pa - s->pa < s->size ? s : NULL;
}

/* One byte: its place in the file, or NULL. *answers: does the image cover it? */
static unsigned char *byte_at(const struct mmu_image *image, mmu_pa pa, bool *answers)
{
    const struct segment *s = find(image, pa);
    *answers = s != NULL;
    return s && pa - s->pa < s->held ? s->bytes + (pa - s->pa) : NULL;
}

/* Byte by byte, since nothing makes segments begin at multiples of an entry's size; an image walk is no hot
 * path. */
static bool image_read(void *ctx, mmu_pa pa, unsigned size, uint64_t *value)
{
    const struct mmu_image *image = ctx;
    uint64_t sum = 0;
    for (unsigned i = 0; i < size; i++) {
        bool answers;
        const unsigned char *byte = byte_at(image, pa + i, &answers);
        if (!answers)
            return false;
        sum |= (uint64_t)(byte ? *byte : 0) << 8 * i;
    }
    *value = sum;
    return true;
}

/* Walks set flags in present entries only, so no byte of the new value but a 0 falls where the file holds
 * none. */
static bool image_exchange(void *ctx, mmu_pa pa, unsigned size, uint64_t old, uint64_t new_value)
{
    struct mmu_image *image = ctx;
    uint64_t now;
    if (!image_read(ctx, pa, size, &now) || now != old)
        return false;
    for (unsigned i = 0; i < size; i++) {
        bool answers;
        unsigned char *byte = byte_at(image, pa + i, &answers), value = (unsigned char)(new_value >> 8 * i);
        assert(byte || !value);
        if (byte)
            *byte = value;
    }
    return true;
}

void mmu_image_memory(struct mmu_image *image, struct mmu_memory_ops *ops)
{
    *ops = (struct mmu_memory_ops){.read = image_read, .compare_exchange = image_exchange, .ctx = image};
}

/* ---- copied into a machine ---- */

/* Where the machine's RAM, which answers at pa, ends next; pa itself when nothing answers there. */
static mmu_pa ram_end(const struct mmu_config *config, mmu_pa pa)
{
    const struct mmu_memory_config *memory = &config->memory;
    mmu_pa end = UINT64_C(1) << config->cpu.maxphyaddr;
    if (!memory->ram_ranges)
        return pa < end ? end : pa;
    for (uint32_t i = 0; i < memory->ram_ranges; i++)
        if (pa - memory->ram[i].start < memory->ram[i].size)
            return memory->ram[i].start + memory->ram[i].size;
    return pa;
}

static int check_ram(const struct mmu_machine *machine, const struct segment *s, const char *path,
                     struct mmu_error *err)
{
    const struct mmu_config *config = mmu_machine_config(machine);
    for (mmu_pa pa = s->pa, next; pa < s->pa + s->size; pa = next) {
        next = ram_end(config, pa);
        if (next == pa)
            return err_offset(err, MMU_ERR_NORAM, path, s->offset,
                              "segment %zu (0x%" PRIx64 " bytes at physical address 0x%" PRIx64
                              "): the machine has no memory at 0x%" PRIx64,
                              s->number, s->size, s->pa, pa);
    }
    return MMU_OK;
}

/* Pages that already read as the file's, zeros above all, are not written: they would cost host memory. */
static int copy_segment(struct mmu_machine *machine, const struct segment *s)
{
    unsigned char present[4096];
    for (uint64_t done = 0; done < s->held;) {
        uint64_t left = s->held - done, page = sizeof present - (s->pa + done) % sizeof present;
        size_t n = (size_t)(left < page ? left : page);
        int status = mmu_machine_read(machine, s->pa + done, present, n);
        if (!status && memcmp(present, s->bytes + done, n))
            status = mmu_machine_write(machine, s->pa + done, s->bytes + done, n);
        if (status)
            return status;
        done += n;
    }
    return MMU_OK;
}

static int copy_image(struct mmu_machine *machine, const struct mmu_image *image, const char *path,
                      struct mmu_error *err)
{
    int status = MMU_OK;
    for (size_t i = 0; i < image->n && !status; i++)
        status = check_ram(machine, &image->segment[i], path, err);
    for (size_t i = 0; i < image->n && !status; i++) {
        status = copy_segment(machine, &image->segment[i]);
        if (status)
            err_at(err, status, path, 0, 0, "%s", mmu_status_text(status));
    }
    return status;
}

int mmu_machine_load_image(struct mmu_machine *machine, const char *path, mmu_pa base, uint64_t *bytes,
                           struct mmu_error *err)
{
    struct mmu_image *image;
    if (mmu_machine_write(machine, 0, "", 0) == MMU_ERR_UNSUPPORTED)
        return err_at(err, MMU_ERR_UNSUPPORTED, path, 0, 0,
                      "the machine's physical memory is the caller's own: expected a machine with its own");
    int status = mmu_image_open(path, base, &image, err);
    if (status)
        return status;
    status = copy_image(machine, image, path, err);
    if (bytes && !status)
        *bytes = mmu_image_bytes(image);
    mmu_image_close(image);
    return status;
}
