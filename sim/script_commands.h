/* sim/script_commands.h: the functions behind the table of commands, by the file that has them. */
#ifndef SIM_SCRIPT_COMMANDS_H
#define SIM_SCRIPT_COMMANDS_H

#include "script.h"

#define COMMAND(name)                                                                                        \
    void do_##name(struct script *s, const struct script_argument *a, struct script_result *r)

/* script_kernel.c */
COMMAND(alloc_pages);
COMMAND(free_pages);
COMMAND(get_free_pages);
COMMAND(free_pages_at);
COMMAND(get_page);
COMMAND(put_page);
COMMAND(gfp_zone);
COMMAND(kmalloc);
COMMAND(kfree);
COMMAND(ksize);
COMMAND(vmalloc);
COMMAND(vfree);
COMMAND(vmalloc_to_pfn);
COMMAND(vmalloc_purge);
COMMAND(ioremap);
COMMAND(iounmap);
COMMAND(kmap);
COMMAND(kunmap);
COMMAND(kmap_local);
COMMAND(kunmap_local);
COMMAND(fix_to_virt);
COMMAND(set_fixmap);
COMMAND(clear_fixmap);
COMMAND(set_memory);
COMMAND(sysctl);
COMMAND(drain);
COMMAND(shrink_slabs);
COMMAND(cpu);
COMMAND(to_virtual);
COMMAND(to_physical);
COMMAND(virt_to_page);
COMMAND(page_address);

/* script_access.c */
COMMAND(access);
COMMAND(peek);
COMMAND(poke);
COMMAND(phys);

/* script_ask.c */
COMMAND(translate);
COMMAND(walk);
COMMAND(tlb);
COMMAND(stats);
COMMAND(registers);

/* script_ask_os.c */
COMMAND(page);
COMMAND(kpageflags);
COMMAND(kpagecount);
COMMAND(zone);
COMMAND(blocks);
COMMAND(totals);
COMMAND(view);
COMMAND(layout);
COMMAND(region);
COMMAND(swapper);

/* script_process.c */
COMMAND(spawn);
COMMAND(kthread);
COMMAND(fork);
COMMAND(exit);
COMMAND(switch);
COMMAND(exec);
COMMAND(import_maps);
COMMAND(mmap);
COMMAND(munmap);
COMMAND(mprotect);
COMMAND(mremap);
COMMAND(brk);
COMMAND(madvise);
COMMAND(msync);
COMMAND(mlock);
COMMAND(file);
COMMAND(sync);
COMMAND(drop_caches);
COMMAND(trace);

/* script_ask_process.c */
COMMAND(task);
COMMAND(tasks);
COMMAND(current);
COMMAND(task_view);
COMMAND(vmstat);
COMMAND(vma);
COMMAND(why);
COMMAND(pagemap);
COMMAND(rmap);
COMMAND(pgd);

/* What a call of the kernel came to, into r; true: done. */
bool script_called(struct script *s, int outcome, struct script_result *r);
/* The task that an argument names, else the one that this CPU runs. False: there is none, told in r. */
bool script_task(struct script *s, const struct script_argument *pid, uint32_t *to, struct script_result *r);
/* The region of the address space, or its named part. Never NULL. */
const char *script_region(const struct script *s, mmu_va va, struct script_result *r);
/* "L1" ... "walk": enum mmu_where. "PF", "GP" ...: enum mmu_outcome. Never NULL. */
const char *script_where(unsigned where);
const char *script_fault(unsigned outcome);
/* "SEGV_MAPERR": enum mmu_os_signal_kind. Never NULL. */
const char *script_signal(unsigned kind);

#endif
