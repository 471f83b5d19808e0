-- An auction site after RUBiS, whose names it has, made smaller: what the disk of scenario auction's guest holds. Statements end with a line //.
-- An interaction is one call of a procedure, so one round trip: else an emulated guest spends its time on parsing.
-- What clients write has a number of theirs in `request`, which no index keeps from being there twice: bookkeeping.py looks.
CREATE DATABASE auction DEFAULT CHARACTER SET latin1
//
USE auction
//
CREATE TABLE categories (id INT PRIMARY KEY, name VARCHAR(50) NOT NULL) ENGINE=InnoDB
//
CREATE TABLE users (
  id INT PRIMARY KEY AUTO_INCREMENT,
  nickname VARCHAR(20) NOT NULL UNIQUE,
  rating INT NOT NULL,
  created DATETIME NOT NULL
) ENGINE=InnoDB
//
CREATE TABLE items (
  id INT PRIMARY KEY AUTO_INCREMENT,
  name VARCHAR(100) NOT NULL,
  description VARCHAR(2000) NOT NULL,
  initial_price INT NOT NULL,
  nb_of_bids INT NOT NULL,
  max_bid INT NOT NULL,
  end_date DATETIME NOT NULL,
  seller INT NOT NULL,
  category INT NOT NULL,
  request BIGINT,
  KEY (category, end_date),
  KEY (seller)
) ENGINE=InnoDB
//
CREATE TABLE bids (
  id INT PRIMARY KEY AUTO_INCREMENT,
  user_id INT NOT NULL,
  item_id INT NOT NULL,
  bid INT NOT NULL,
  date DATETIME NOT NULL,
  request BIGINT,
  KEY (item_id, bid),
  KEY (user_id)
) ENGINE=InnoDB
//
CREATE TABLE comments (
  id INT PRIMARY KEY AUTO_INCREMENT,
  from_user_id INT NOT NULL,
  to_user_id INT NOT NULL,
  item_id INT NOT NULL,
  rating INT NOT NULL,
  comment VARCHAR(500) NOT NULL,
  date DATETIME NOT NULL,
  request BIGINT,
  KEY (to_user_id)
) ENGINE=InnoDB
//
INSERT INTO categories SELECT seq, CONCAT('category ', seq) FROM seq_1_to_20
//
INSERT INTO users SELECT seq, CONCAT('user', seq), 0, '2008-03-05 09:00:00' FROM seq_1_to_2000
//
INSERT INTO items
  SELECT seq, CONCAT('item ', seq), REPEAT(CONCAT('word', seq, ' '), 100), 100, 0, 100,
         '2008-03-05 09:00:00' + INTERVAL seq * 7919 % 5000 MINUTE, seq * 31 % 2000 + 1, seq % 20 + 1, NULL
  FROM seq_1_to_5000
//
INSERT INTO bids
  SELECT NULL, seq * 17 % 2000 + 1, seq % 5000 + 1, 100 + (seq + 4999) DIV 5000 * 10, '2008-03-05 09:00:00', NULL FROM seq_1_to_25000
//
UPDATE items JOIN (SELECT item_id, COUNT(*) AS n, MAX(bid) AS most FROM bids GROUP BY item_id) AS b ON b.item_id = items.id
  SET nb_of_bids = n, max_bid = most
//
INSERT INTO comments
  SELECT NULL, seq * 13 % 2000 + 1, seq % 2000 + 1, seq % 5000 + 1, seq % 5, REPEAT('fine ', 20), '2008-03-05 09:00:00', NULL
  FROM seq_1_to_5000
//
CREATE PROCEDURE browse(IN of_category INT)
BEGIN
  SELECT id, name, max_bid, nb_of_bids, end_date FROM items WHERE category = of_category ORDER BY end_date LIMIT 20;
END
//
CREATE PROCEDURE view(IN of_item INT)
BEGIN
  SELECT items.*, nickname, rating FROM items JOIN users ON users.id = seller WHERE items.id = of_item;
  SELECT bid, date, nickname FROM bids JOIN users ON users.id = user_id WHERE item_id = of_item ORDER BY bid DESC LIMIT 10;
END
//
CREATE PROCEDURE bid(IN number BIGINT, IN of_user INT, IN of_item INT, IN raised INT)
BEGIN
  DECLARE amount INT;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  START TRANSACTION;
  SELECT max_bid + raised INTO amount FROM items WHERE id = of_item FOR UPDATE;
  INSERT INTO bids VALUES (NULL, of_user, of_item, amount, NOW(), number);
  UPDATE items SET nb_of_bids = nb_of_bids + 1, max_bid = amount WHERE id = of_item;
  COMMIT;
  SELECT amount;
END
//
CREATE PROCEDURE comment(IN number BIGINT, IN of_user INT, IN to_user INT, IN of_item INT, IN stars INT)
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  START TRANSACTION;
  UPDATE users SET rating = rating + stars WHERE id = to_user;
  INSERT INTO comments VALUES (NULL, of_user, to_user, of_item, stars, REPEAT('fine ', 20), NOW(), number);
  COMMIT;
END
//
CREATE PROCEDURE sell(IN number BIGINT, IN of_user INT, IN of_category INT, IN price INT)
BEGIN
  INSERT INTO items
    VALUES (NULL, CONCAT('new item ', number), REPEAT('as new ', 60), price, 0, price, NOW() + INTERVAL 7 DAY, of_user, of_category, number);
END
