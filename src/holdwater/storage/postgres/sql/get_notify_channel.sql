SELECT name FROM notify_channel
