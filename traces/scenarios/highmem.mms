# ZONE_HIGHMEM: memory that the kernel has no address for.
#
# A 32-bit kernel has 1 GiB of addresses for itself. Part of it is the direct map, which can hold only so many frames; the
# frames behind are highmem. Where does it begin? Books say: at 896 MiB.

totals
zone HighMem

# This kernel keeps more room for other things, and the direct map ends before that:
on i386 expect zone HighMem start_pfn == 0x36bfe
on i386_pae expect zone HighMem start_pfn == 0x36ffe
# (896 MiB are 0x38000 frames)
on i386,i386_pae expect zone HighMem start_pfn < 0x38000
on i386,i386_pae expect $high_memory - $PAGE_OFFSET < 896M

# With 64 bits the direct map holds all memory, so there is no such zone: no frame is without an address.
on x86_64,x86_64_la57 expect zone HighMem exists == 0
on x86_64,x86_64_la57 expect gfp_zone GFP_HIGHUSER is Normal

# What does alloc_pages return? Not an address: a page descriptor, here its frame number. A mask with __GFP_HIGHMEM
# allows highmem, and asks for it first.
$page = alloc_pages GFP_HIGHUSER
page $page
on i386,i386_pae expect page $page zone is HighMem

# page_address() of it is NULL: there is no address to return ...
on i386,i386_pae expect page_address $page == 0
on x86_64,x86_64_la57 expect page_address $page != 0
# ... so __get_free_page, which returns addresses, refuses to be asked for highmem.
expect __get_free_page GFP_HIGHUSER fails REFUSED

# The descriptor itself (struct page) has an address all the same: descriptors stand in low memory, those of highmem,
# too. They are 32 to 64 bytes for each 4 KiB; that is why much highmem costs much low memory.
$descriptor = page $page descriptor
expect translate $descriptor as kernel outcome is done
on i386,i386_pae expect $descriptor < $high_memory

# kmap() gives the page an address for a while: a slot in PKMAP, an entry in a page table, made now.
$va = kmap $page
region $va
on i386,i386_pae expect region $va is PKMAP
on i386,i386_pae expect $va == $PKMAP_BASE + 4K
expect page_address $page == $va
walk $va as kernel
expect translate $va as kernel outcome is done
write $va as kernel

# Mapping it again gives the same address, and counts.
expect kmap $page == $va
kunmap $page
expect page_address $page == $va
kunmap $page

# Now nobody uses the mapping. But the entry stays until the slots have been used up once: flushing TLBs is expensive.
on i386,i386_pae expect page_address $page == $va
on i386,i386_pae expect walk $va as kernel outcome is done

# kmap of a page of low memory maps nothing: it has its address in the direct map.
$low = alloc_pages GFP_KERNEL
$known = page_address $low
expect kmap $low == $known
kunmap $low

# kmap_local: a fixmap slot of this CPU, last in first out; unmapped at once, and flushed on this CPU alone.
$first = kmap_local $page
$other = alloc_pages GFP_HIGHUSER
$second = kmap_local $other
on i386,i386_pae expect region $first is fixmap
on i386,i386_pae expect kunmap_local $first fails BUG
kunmap_local $second
kunmap_local $first
on i386,i386_pae expect read $first as kernel fails OOPS

__free_page $other
__free_page $low
__free_page $page
# A page that is free cannot be freed again.
expect __free_page $page fails BUG
