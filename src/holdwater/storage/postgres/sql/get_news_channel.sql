SELECT name FROM news_channel
