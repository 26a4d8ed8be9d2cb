-- The query of the recording "sqlite": each sale looks up its customer and its product, at random places of the file,
-- which is mapped into the address space.
PRAGMA mmap_size = 1073741824;
SELECT count(*), sum(s.amount*p.price), sum(c.balance)
FROM sale s JOIN customer c ON c.id = s.customer JOIN product p ON p.id = s.product
WHERE c.city <> p.maker;
