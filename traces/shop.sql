-- The database of the recording "sqlite": a million customers, a million products, 400,000 sales, about 200 MB.
-- The numbers come from fixed formulas, so the file is the same wherever it is built.
PRAGMA page_size = 65536;
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
BEGIN;
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, city INTEGER, balance INTEGER);
CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT, maker INTEGER, price INTEGER);
CREATE TABLE sale(id INTEGER PRIMARY KEY, customer INTEGER, product INTEGER, amount INTEGER);
WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 1000000)
INSERT INTO customer
SELECT i, printf('customer %08d of the long and winding road, number %d, a street of a town', i, i*7919%1000),
       i*7919%5003, i*104729%100003
FROM n;
WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 1000000)
INSERT INTO product
SELECT i, printf('product %08d, of the best quality, made by hand, colour %d, all sizes in store', i, i*6007%1000),
       i*6007%4001, i*130363%100019
FROM n;
WITH RECURSIVE n(i, x) AS
    (VALUES(1, 12345) UNION ALL SELECT i+1, (x*1103515245+12345) & 2147483647 FROM n WHERE i < 400000)
INSERT INTO sale
SELECT i, 1 + (x>>8)*7919%1000000, 1 + (x>>4)*6007%1000000, i%9
FROM n;
COMMIT;
